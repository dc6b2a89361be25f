// Attention, out = softmax(scale q k^T, masked) v, without the scores ever in global memory (running maximum and sum a
// row, "flash"). f16 and bf16 on tensor cores, f32 on the ordinary units; one kernel a head size. A block takes some
// query rows of one head of one batch entry: grid (ceil(queries / rows), heads, batch), where rows and threads are 64
// and 128 for `attention`, 128 and 256 for `attention_wide` (better once there are more blocks than fit at once), 32
// and 128 for f32.
//
// Rows of a head's columns lie together and 16-byte aligned; all else is strides. Scores are kept in units of log 2,
// for ex2. A hidden key has score -inf and weight 0; the running maximum is guarded so that rows which have not seen
// a key yet stay numbers.
#include <limits.h>

#include "ptx.cuh"
#include "vector.cuh"

struct Attention {
  const void *q, *k, *v, *mask;  // mask may be null
  void* out;
  long long q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, out_batch, out_head, out_row;
  long long mask_batch, mask_head, mask_query, mask_key;  // 0 where it is broadcast
  int queries, keys, group;  // query heads a key head
  float scale;
  int replace;         // 0: the mask is added; 1: it takes the score's place where it is not 0
  int causal;          // keys beyond query + causal are hidden; INT_MIN: none are
  int zeros;           // what a row without any visible key gives: 1 zeros, 0 NaN
  const int* lengths;  // of each batch entry: keys from here on are hidden; may be null
};

constexpr float LOG2_E = 1.4426950408889634f;

// The mask in units of log 2. Finite ones stay finite: -3.4e38 hides a key only from rows that see a better one.
__device__ __forceinline__ float mask_in_log2(float mask) {
  return isinf(mask) ? mask : fminf(fmaxf(mask * LOG2_E, -3e38f), 3e38f);
}

__device__ __forceinline__ float masked(float score, float mask, int replace) {
  return replace ? (mask != 0.f ? mask : score) : score + mask;
}

// The keys of this batch entry; none beyond is read.
__device__ __forceinline__ int key_count(const Attention& a) {
  return a.lengths ? min(a.keys, a.lengths[blockIdx.z]) : a.keys;
}

// Query `row` sees the keys before this one.
__device__ __forceinline__ int keys_seen(const Attention& a, int row, int length) {
  if (a.causal == INT_MIN) return length;
  const long long seen = static_cast<long long>(row) + a.causal + 1;
  return seen < length ? static_cast<int>(seen) : length;
}

__device__ __forceinline__ float inverse_sum(float sum, int zeros) {
  return sum == 0.f && zeros ? 0.f : 1.f / sum;
}

// The largest score so far, 0 while there is none but -inf.
__device__ __forceinline__ float guarded(float maximum) { return maximum == -INFINITY ? 0.f : maximum; }

__device__ __forceinline__ float quad_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
  return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

__device__ __forceinline__ float quad_sum(float v) {
  v += __shfl_xor_sync(0xffffffffu, v, 1);
  return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

// Shared memory of the tensor-core kernel: two tiles of keys and values, the next arriving while one is used, and
// for each the mask of a row that all queries share. Rows are 8 numbers longer than D, so that the eight rows of an
// 8x8 matrix lie in different banks.
template <typename T, int D, int KEYS> struct alignas(16) Tiles {
  static constexpr int ROW = D + 8;
  struct {
    T k[KEYS * ROW], v[KEYS * ROW];
  } tile[2];
  float mask[2][KEYS];
};

// Keys a tile: what fits 48 KiB of shared memory.
template <int D> constexpr int TILE_KEYS = D <= 64 ? 64 : 32;

// How a mask is read: one row of it a tile into shared memory, or each thread its own numbers.
enum MaskKind { NO_MASK, MASK_OF_KEYS, MASK_OF_PAIRS };

// 16 query rows a warp. Lane l works on rows l/4 and l/4 + 8 of them and on the keys or columns 2(l%4) and 2(l%4)+1 of
// every eight.
template <typename T, int D, int WARPS, MaskKind MASK>
__device__ __forceinline__ void flash(const Attention& a, Tiles<T, D, TILE_KEYS<D>>& shared) {
  constexpr int KEYS = TILE_KEYS<D>, ROW = D + 8, THREADS = WARPS * 32;
  const int batch = blockIdx.z, head = blockIdx.y, block_first = blockIdx.x * WARPS * 16;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, pair = (lane & 3) * 2;
  const int warp_first = block_first + warp * 16, row0 = warp_first + lane / 4, row1 = row0 + 8;
  const T* q = static_cast<const T*>(a.q) + batch * a.q_batch + head * a.q_head;
  const T* k = static_cast<const T*>(a.k) + batch * a.k_batch + head / a.group * a.k_head;
  const T* v = static_cast<const T*>(a.v) + batch * a.v_batch + head / a.group * a.v_head;
  const T* mask = static_cast<const T*>(a.mask) + (MASK == NO_MASK ? 0 : batch * a.mask_batch + head * a.mask_head);

  const int length = key_count(a);
  const int seen0 = keys_seen(a, row0, length), seen1 = keys_seen(a, row1, length);
  const int warp_seen = keys_seen(a, warp_first, length);  // what all rows of the warp see
  const int block_seen = keys_seen(a, min(block_first + WARPS * 16, a.queries) - 1, length);
  const int tiles = block_seen > 0 ? (block_seen + KEYS - 1) / KEYS : 0;

  const auto fetch = [&](int t) {
    auto& to = shared.tile[t & 1];
    const int first = t * KEYS;
#pragma unroll
    for (int i = threadIdx.x; i < KEYS * D / 8; i += THREADS) {
      const int r = i / (D / 8), c = i % (D / 8) * 8;
      const bool real = first + r < length;
      const long long key = real ? first + r : 0;
      copy16(to.k + r * ROW + c, k + key * a.k_row + c, real);
      copy16(to.v + r * ROW + c, v + key * a.v_row + c, real);
    }
  };
  if (tiles > 0) fetch(0);
  end_copy_group();
  if (tiles > 1) fetch(1);
  end_copy_group();

  // The query rows go straight to registers: lanes of a row read whole sectors.
  uint32_t qf[D / 16][4];
#pragma unroll
  for (int i = 0; i < D / 16; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const long long row = j & 1 ? row1 : row0;
      const T* from = q + row * a.q_row + i * 16 + (j >> 1) * 8 + pair;
      qf[i][j] = row < a.queries ? *reinterpret_cast<const uint32_t*>(from) : 0;
    }
  }

  const auto mask_at = [&](int row, int key) {
    if (row >= a.queries || key >= length) return 0.f;
    return mask_in_log2(to_float(mask[row * a.mask_query + key * a.mask_key]));
  };
  // A mask row for all queries: each thread reads one key's number well before it is needed, and stores it later.
  const bool mask_reader = MASK == MASK_OF_KEYS && threadIdx.x < KEYS;
  const auto read_mask = [&](int t) { return mask_reader && t < tiles ? mask_at(0, t * KEYS + threadIdx.x) : 0.f; };
  const auto keep_mask = [&](int t, float m) {
    if (mask_reader) shared.mask[t & 1][threadIdx.x] = m;
  };
  const float mask_first = read_mask(0), mask_second = read_mask(1);
  keep_mask(0, mask_first);
  keep_mask(1, mask_second);

  const float scale = a.scale * LOG2_E;
  float o[D / 8][4];
#pragma unroll
  for (int i = 0; i < D / 8; i++) o[i][0] = o[i][1] = o[i][2] = o[i][3] = 0.f;
  float max0 = -INFINITY, max1 = -INFINITY, sum0 = 0.f, sum1 = 0.f;
  const int matrix = lane / 8, matrix_row = lane % 8;  // this lane's address for load_matrices

  for (int t = 0; t < tiles; t++) {
    wait_copies<1>();
    __syncthreads();
    const auto& tile = shared.tile[t & 1];
    const int first = t * KEYS;
    const float mask_coming = read_mask(t + 2);
    float s[KEYS / 8][4];
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.f;
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
#pragma unroll
      for (int n = 0; n < KEYS / 16; n++) {
        uint32_t b[4];
        load_matrices(b, tile.k + (n * 16 + (matrix >> 1) * 8 + matrix_row) * ROW + i * 16 + (matrix & 1) * 8);
        multiply<T>(s[2 * n], qf[i], b[0], b[1]);
        multiply<T>(s[2 * n + 1], qf[i], b[2], b[3]);
      }
    }
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        s[n][j] *= scale;
        const int at = n * 8 + pair + (j & 1);
        if (MASK == MASK_OF_KEYS) s[n][j] = masked(s[n][j], shared.mask[t & 1][at], a.replace);
        if (MASK == MASK_OF_PAIRS) s[n][j] = masked(s[n][j], mask_at(j < 2 ? row0 : row1, first + at), a.replace);
      }
    }
    if (first + KEYS > warp_seen) {
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
          if (first + n * 8 + pair + (j & 1) >= (j < 2 ? seen0 : seen1)) s[n][j] = -INFINITY;
        }
      }
    }
    float best0 = max0, best1 = max1;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
      best0 = fmaxf(best0, fmaxf(s[n][0], s[n][1]));
      best1 = fmaxf(best1, fmaxf(s[n][2], s[n][3]));
    }
    best0 = quad_max(best0);
    best1 = quad_max(best1);
    const float base0 = guarded(best0), base1 = guarded(best1);
    const float keep0 = exp2_fast(max0 - base0), keep1 = exp2_fast(max1 - base1);
    max0 = best0;
    max1 = best1;
    sum0 *= keep0;
    sum1 *= keep1;
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
      o[i][0] *= keep0; o[i][1] *= keep0;
      o[i][2] *= keep1; o[i][3] *= keep1;
    }
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
      s[n][0] = exp2_fast(s[n][0] - base0); s[n][1] = exp2_fast(s[n][1] - base0);
      s[n][2] = exp2_fast(s[n][2] - base1); s[n][3] = exp2_fast(s[n][3] - base1);
      sum0 += s[n][0] + s[n][1];
      sum1 += s[n][2] + s[n][3];
    }
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
      const uint32_t weights[4] = {pack<T>(s[2 * n][0], s[2 * n][1]), pack<T>(s[2 * n][2], s[2 * n][3]),
                                   pack<T>(s[2 * n + 1][0], s[2 * n + 1][1]), pack<T>(s[2 * n + 1][2], s[2 * n + 1][3])};
#pragma unroll
      for (int i = 0; i < D / 16; i++) {
        uint32_t b[4];
        load_matrices_transposed(b, tile.v + (n * 16 + (matrix & 1) * 8 + matrix_row) * ROW + i * 16 + (matrix >> 1) * 8);
        multiply<T>(o[2 * i], weights, b[0], b[1]);
        multiply<T>(o[2 * i + 1], weights, b[2], b[3]);
      }
    }
    if (t + 2 < tiles) {
      __syncthreads();  // all warps are done with the tile that is overwritten
      fetch(t + 2);
      keep_mask(t + 2, mask_coming);
    }
    end_copy_group();
  }

  // Through shared memory, so that rows are written 16 bytes a lane.
  const float inverse0 = inverse_sum(quad_sum(sum0), a.zeros), inverse1 = inverse_sum(quad_sum(sum1), a.zeros);
  static_assert(WARPS * 16 <= 4 * KEYS, "the output fits where the tiles were");
  T* mine = shared.tile[0].k + warp * 16 * ROW;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < D / 8; i++) {
    T* to = mine + lane / 4 * ROW + i * 8 + pair;
    *reinterpret_cast<uint32_t*>(to) = pack<T>(o[i][0] * inverse0, o[i][1] * inverse0);
    *reinterpret_cast<uint32_t*>(to + 8 * ROW) = pack<T>(o[i][2] * inverse1, o[i][3] * inverse1);
  }
  __syncwarp();
  T* out = static_cast<T*>(a.out) + batch * a.out_batch + head * a.out_head;
#pragma unroll
  for (int i = lane; i < 2 * D; i += 32) {
    const int r = i / (D / 8), c = i % (D / 8) * 8;
    const long long row = warp_first + r;
    if (row < a.queries) *reinterpret_cast<uint4*>(out + row * a.out_row + c) = load_raw(mine + r * ROW + c);
  }
}

template <typename T, int D, int WARPS> __device__ __forceinline__ void attention(const Attention& a) {
  __shared__ Tiles<T, D, TILE_KEYS<D>> shared;
  wait_for_inputs();
  let_next_start();
  if (!a.mask) {
    flash<T, D, WARPS, NO_MASK>(a, shared);
  } else if (a.mask_query == 0) {
    flash<T, D, WARPS, MASK_OF_KEYS>(a, shared);
  } else {
    flash<T, D, WARPS, MASK_OF_PAIRS>(a, shared);
  }
}

// f32: 32 query rows a block and tiles of 32 keys. Four threads share a row: thread part p scores the keys p, p + 4 ..
// of a tile and sums columns 4p .. 4p + 3 of every sixteen.
template <int D, bool MASKED>
__device__ __forceinline__ void flash_f32(const Attention& a, float* tile_k, float* tile_v, float* weights) {
  constexpr int ROW = D + 4, VECTORS = D / 4;
  const int batch = blockIdx.z, head = blockIdx.y, part = threadIdx.x & 3, in_block = threadIdx.x / 4;
  const int row = blockIdx.x * 32 + in_block;
  const float* q = static_cast<const float*>(a.q) + batch * a.q_batch + head * a.q_head;
  const float* k = static_cast<const float*>(a.k) + batch * a.k_batch + head / a.group * a.k_head;
  const float* v = static_cast<const float*>(a.v) + batch * a.v_batch + head / a.group * a.v_head;
  const float* mask = static_cast<const float*>(a.mask) + (MASKED ? batch * a.mask_batch + head * a.mask_head : 0);
  const int length = key_count(a), seen = keys_seen(a, row, length);
  const int block_seen = keys_seen(a, min(static_cast<int>(blockIdx.x) * 32 + 32, a.queries) - 1, length);
  const bool real_row = row < a.queries;
  const float scale = a.scale * LOG2_E;
  float* my_weights = weights + in_block * 33;

  float qr[D];
#pragma unroll
  for (int i = 0; i < VECTORS; i++) {
    float4 x = make_float4(0.f, 0.f, 0.f, 0.f);
    if (real_row) x = *reinterpret_cast<const float4*>(q + row * a.q_row + i * 4);
    qr[4 * i] = x.x * scale; qr[4 * i + 1] = x.y * scale;
    qr[4 * i + 2] = x.z * scale; qr[4 * i + 3] = x.w * scale;
  }
  float o[D / 16][4];
#pragma unroll
  for (int c = 0; c < D / 16; c++) o[c][0] = o[c][1] = o[c][2] = o[c][3] = 0.f;
  float maximum = -INFINITY, sum = 0.f;

  for (int first = 0; first < block_seen; first += 32) {
    __syncthreads();  // all are done with the tile before
    for (int i = threadIdx.x; i < 32 * VECTORS; i += 128) {
      const int r = i / VECTORS, c = i % VECTORS * 4;
      float4 x = make_float4(0.f, 0.f, 0.f, 0.f), y = x;
      const long long key = first + r;
      if (key < length) {
        x = *reinterpret_cast<const float4*>(k + key * a.k_row + c);
        y = *reinterpret_cast<const float4*>(v + key * a.v_row + c);
      }
      *reinterpret_cast<float4*>(tile_k + r * ROW + c) = x;
      *reinterpret_cast<float4*>(tile_v + r * ROW + c) = y;
    }
    __syncthreads();
    float s[8], best = maximum;
#pragma unroll
    for (int j = 0; j < 8; j++) {
      const int key = first + part + 4 * j;
      const float* from = tile_k + (part + 4 * j) * ROW;
      float even = 0.f, odd = 0.f;
#pragma unroll
      for (int i = 0; i < VECTORS; i++) {
        const float4 x = *reinterpret_cast<const float4*>(from + 4 * i);
        even += qr[4 * i] * x.x;
        odd += qr[4 * i + 1] * x.y;
        even += qr[4 * i + 2] * x.z;
        odd += qr[4 * i + 3] * x.w;
      }
      s[j] = even + odd;
      if (MASKED && real_row && key < length) {
        s[j] = masked(s[j], mask_in_log2(mask[row * a.mask_query + key * a.mask_key]), a.replace);
      }
      if (key >= seen) s[j] = -INFINITY;
      best = fmaxf(best, s[j]);
    }
    best = quad_max(best);
    const float base = guarded(best), keep = exp2f(maximum - base);
    maximum = best;
    sum *= keep;
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      o[c][0] *= keep; o[c][1] *= keep;
      o[c][2] *= keep; o[c][3] *= keep;
    }
#pragma unroll
    for (int j = 0; j < 8; j++) {
      const float weight = exp2f(s[j] - base);
      sum += weight;
      my_weights[part + 4 * j] = weight;
    }
    __syncwarp();
#pragma unroll 8
    for (int key = 0; key < 32; key++) {
      const float weight = my_weights[key];
#pragma unroll
      for (int c = 0; c < D / 16; c++) {
        const float4 x = *reinterpret_cast<const float4*>(tile_v + key * ROW + c * 16 + part * 4);
        o[c][0] += weight * x.x; o[c][1] += weight * x.y;
        o[c][2] += weight * x.z; o[c][3] += weight * x.w;
      }
    }
  }

  const float inverse = inverse_sum(quad_sum(sum), a.zeros);
  if (!real_row) return;
  float* out = static_cast<float*>(a.out) + batch * a.out_batch + head * a.out_head + row * a.out_row + part * 4;
#pragma unroll
  for (int c = 0; c < D / 16; c++) {
    *reinterpret_cast<float4*>(out + c * 16) =
        make_float4(o[c][0] * inverse, o[c][1] * inverse, o[c][2] * inverse, o[c][3] * inverse);
  }
}

template <int D> __device__ __forceinline__ void attention_f32(const Attention& a) {
  __shared__ __align__(16) float tile_k[32 * (D + 4)];
  __shared__ __align__(16) float tile_v[32 * (D + 4)];
  __shared__ float weights[32 * 33];
  wait_for_inputs();
  let_next_start();
  if (a.mask) {
    flash_f32<D, true>(a, tile_k, tile_v, weights);
  } else {
    flash_f32<D, false>(a, tile_k, tile_v, weights);
  }
}

#define ATTENTION(T, NAME, D)                                                                            \
  extern "C" __global__ void __launch_bounds__(128) attention_##NAME##_##D(const struct Attention a) {   \
    attention<T, D, 4>(a);                                                                               \
  }
#define ATTENTION_WIDE(T, NAME, D)                                                                               \
  extern "C" __global__ void __launch_bounds__(256, 2) attention_wide_##NAME##_##D(const struct Attention a) {   \
    attention<T, D, 8>(a);                                                                                       \
  }
#define ATTENTION_F32(D)                                                                         \
  extern "C" __global__ void __launch_bounds__(128) attention_f32_##D(const struct Attention a) { \
    attention_f32<D>(a);                                                                         \
  }
#define ATTENTION_OF(T, NAME) \
  ATTENTION(T, NAME, 32)      \
  ATTENTION(T, NAME, 64)      \
  ATTENTION(T, NAME, 96)      \
  ATTENTION(T, NAME, 128)     \
  ATTENTION_WIDE(T, NAME, 32) \
  ATTENTION_WIDE(T, NAME, 64)
ATTENTION_OF(__half, f16)
ATTENTION_OF(__nv_bfloat16, bf16)
ATTENTION_F32(32)
ATTENTION_F32(64)
ATTENTION_F32(96)
ATTENTION_F32(128)
