// Softmax over the last axis, alone or of attention scores with scaling and masks.
//
// Calculated in f32. A warp takes a row of up to 1024 elements and keeps it in registers; a block takes a longer
// one in three passes. In a row that is -inf throughout, arithmetic gives NaN. Blocks of 256 threads.
#include <limits.h>
#include <math_constants.h>
#include "loops.cuh"

#define LONGEST_OF_WARP 1024

__device__ __forceinline__ float maximum(float a, float b) { return greater(a, b); }
__device__ __forceinline__ float plus(float a, float b) { return a + b; }

// Elements of one row to come. `value` is one of them, `values` N of them at once.
template <typename T> struct PlainRow {
  const T* row;
  __device__ __forceinline__ float value(int k) const { return to_float(row[k]); }
  template <int N> __device__ __forceinline__ void values(int k, float* to) const {
    const Pack<T, N> pack = load<N>(row + k);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = to_float(pack.at[i]);
  }
};

// mask points at the row's first key, or is null; keys after `last_key` are hidden.
template <typename T> struct MaskedRow {
  const float* row;
  const T* mask;
  long long mask_key;
  float scale;
  int replace, last_key;
  __device__ __forceinline__ float masked(float score, int k) const {
    float v = scale * score;
    if (mask) {
      const float m = to_float(mask[k * mask_key]);
      v = !replace ? v + m : m != 0.f ? m : v;
    }
    return k > last_key ? -CUDART_INF_F : v;
  }
  __device__ __forceinline__ float value(int k) const { return masked(row[k], k); }
  template <int N> __device__ __forceinline__ void values(int k, float* to) const {
    const Pack<float, N> pack = load<N>(row + k);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = masked(pack.at[i], k + i);
  }
};

// A row's result from its parts, which `part` makes of the elements: exp(v - most) or, for the logarithm,
// v - most, where most is the row's maximum and total the sum of the exponentials.
__device__ __forceinline__ float part(float v, float most, float exponential, int log) {
  return log ? v - most : exponential;
}
struct Finish {
  float by;
  bool log, zero;
  __device__ __forceinline__ Finish(float most, float total, int log, int zeros)
      : by(log ? logf(total) : 1.f / total), log(log), zero(zeros && most == -CUDART_INF_F) {}
  __device__ __forceinline__ float operator()(float part) const { return zero ? 0.f : log ? part - by : part * by; }
};

// A row of at most 32 * EACH elements, EACH of them in every lane, in packs of N; len is a multiple of N.
template <int EACH, int N, typename Row, typename T>
__device__ __forceinline__ void softmax_registers(Row row, T* out, int len, int log, int zeros) {
  const int lane = threadIdx.x % 32;
  float v[EACH];
#pragma unroll
  for (int i = 0; i < EACH; i += N) {
    const int k = i * 32 + lane * N;
    if (k < len) {
      row.template values<N>(k, v + i);
    } else {
#pragma unroll
      for (int j = 0; j < N; ++j) v[i + j] = -CUDART_INF_F;
    }
  }
  float most = v[0];
#pragma unroll
  for (int i = 1; i < EACH; ++i) most = maximum(most, v[i]);
  most = fold_warp(most, maximum);
  float total = 0.f;
#pragma unroll
  for (int i = 0; i < EACH; ++i) {
    // Only the row's own elements may make the sum NaN, when the maximum is infinite.
    if (i / N * N * 32 + lane * N < len) {
      const float exponential = expf(v[i] - most);
      total += exponential;
      v[i] = part(v[i], most, exponential, log);
    }
  }
  const Finish finish(most, fold_warp(total, plus), log, zeros);
#pragma unroll
  for (int i = 0; i < EACH; i += N) {
    const int k = i * 32 + lane * N;
    if (k < len) {
      Pack<T, N> pack;
#pragma unroll
      for (int j = 0; j < N; ++j) pack.at[j] = from_float<T>(finish(v[i + j]));
      store<N>(out + k, pack);
    }
  }
}

template <int N, typename Row, typename T>
__device__ __forceinline__ void softmax_warp(Row row, T* out, int len, int log, int zeros) {
  if (len <= 128) return softmax_registers<4, N>(row, out, len, log, zeros);
  if (len <= 256) return softmax_registers<8, N>(row, out, len, log, zeros);
  if (len <= 512) return softmax_registers<16, N>(row, out, len, log, zeros);
  softmax_registers<32, N>(row, out, len, log, zeros);
}

template <typename Row, typename T>
__device__ __forceinline__ void softmax_block(Row row, T* out, int len, int log, int zeros) {
  float most = -CUDART_INF_F;
  for (int k = threadIdx.x; k < len; k += blockDim.x) most = maximum(most, row.value(k));
  most = fold_block(most, maximum);
  float total = 0.f;
  for (int k = threadIdx.x; k < len; k += blockDim.x) total += expf(row.value(k) - most);
  const Finish finish(most, fold_block(total, plus), log, zeros);
  for (int k = threadIdx.x; k < len; k += blockDim.x) {
    const float v = row.value(k);
    out[k] = from_float<T>(finish(part(v, most, expf(v - most), log)));
  }
}

// `row_at` gives the row of a number; `packs` says whether rows may be read and written 4 elements at a time.
template <typename T, typename RowAt>
__device__ __forceinline__ void softmax_rows(T* out, int rows, int len, int log, int zeros, bool packs, RowAt row_at) {
  if (len <= LONGEST_OF_WARP) {
    for (unsigned r = first_index() / 32; r < rows; r += index_step() / 32) {
      T* to = out + static_cast<size_t>(r) * len;
      if (packs) softmax_warp<4>(row_at(r), to, len, log, zeros);
      else softmax_warp<1>(row_at(r), to, len, log, zeros);
    }
  } else {
    for (unsigned r = blockIdx.x; r < rows; r += gridDim.x) {
      softmax_block(row_at(r), out + static_cast<size_t>(r) * len, len, log, zeros);
    }
  }
}

template <typename T> __device__ __forceinline__ void softmax(const T* in, T* out, int rows, int len, int log) {
  const bool packs = len % 4 == 0 && aligned<4>(in) && aligned<4>(out);
  softmax_rows(out, rows, len, log, 0, packs, [=](unsigned r) {
    return PlainRow<T>{in + static_cast<size_t>(r) * len};
  });
}

// The row r of scores is (batch, head, query), the mask's place is given by its four strides, 0 where it is the
// same for all. A mask is added to the scores or, with `replace`, stands for a score where it is not 0. Unless
// `causal` is INT_MIN, a query sees the keys up to its own number + `causal`. A row with nothing to see is
// NaN or, with `zeros`, 0.
template <typename T>
__device__ __forceinline__ void masked_softmax(const float* scores, T* out, const T* mask, int rows, int len,
                                               float scale, int heads, int queries, long long mask_batch,
                                               long long mask_head, long long mask_query, long long mask_key,
                                               int replace, int causal, int zeros) {
  const bool packs = len % 4 == 0 && aligned<4>(scores) && aligned<4>(out);
  softmax_rows(out, rows, len, 0, zeros, packs, [=](unsigned r) {
    const unsigned of_head = r / queries, query = r - of_head * queries;
    const unsigned batch = of_head / heads, head = of_head - batch * heads;
    const T* from = mask ? mask + batch * mask_batch + head * mask_head + query * mask_query : nullptr;
    const long long last = causal == INT_MIN ? INT_MAX : static_cast<long long>(query) + causal;
    return MaskedRow<T>{scores + static_cast<size_t>(r) * len, from, mask_key, scale, replace,
                        static_cast<int>(last > INT_MAX ? INT_MAX : last)};
  });
}

#define SOFTMAX(NAME, T)                                                                                        \
  extern "C" __global__ void softmax_##NAME(const T* in, T* out, int rows, int len, int log) {                   \
    begin();                                                                                                     \
    softmax(in, out, rows, len, log);                                                                            \
  }                                                                                                              \
  extern "C" __global__ void masked_softmax_##NAME(                                                              \
      const float* scores, T* out, const T* mask, int rows, int len, float scale, int heads, int queries,        \
      long long mask_batch, long long mask_head, long long mask_query, long long mask_key, int replace,          \
      int causal, int zeros) {                                                                                   \
    begin();                                                                                                     \
    masked_softmax(scores, out, mask, rows, len, scale, heads, queries, mask_batch, mask_head, mask_query,       \
                   mask_key, replace, causal, zeros);                                                            \
  }
FOR_FLOATS(SOFTMAX)
