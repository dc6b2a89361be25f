// out[m, n] = f(x[m, k] w[n, k]^T + bias[n] + other[m, n]) for few rows (one request), where the time is that of
// getting the first and the last number rather than of multiplying. Sums in f32. `bias` and `other` may be null.
//
// gemm_TMxTN_*: a block of 8 warps makes a tile of TM x TN. The sum over k is split among the warps, which take turns
// at slices of 32; each fetches its own slices, STAGES ahead, and none waits for another until the partial sums meet
// in shared memory. Grid (ceil(n / TN), ceil(m / TM)), 256 threads, dynamic shared memory GemmShape::BYTES.
//
// Measured on an H100 beside cuBLASLt at 128 rows: 16x32 is faster for k and n up to about 512 (2.5 against 3.2 us),
// 32x48 for k up to about 512 where a function follows that cuBLASLt lacks (3.8 against 4.9 us, its two kernels
// together); for more the tensor cores of cuBLASLt's larger tiles win.
//
// Pointers are 16-byte aligned, k is a multiple of 8 (slices are filled up with zeros); m and n are any.
// A function with WEIGHTS_STAY added says that w was complete long before (no kernel still in flight writes it): its
// first slices are then fetched while the kernel before is still running.
#include "known.cuh"
#include "ptx.cuh"
#include "vector.cuh"

constexpr int WEIGHTS_STAY = 256;
constexpr int SLICE = 32;           // of k
constexpr int SLICE_ROW = SLICE + 8;  // the eight rows of an 8x8 matrix lie in different banks

template <int TM_, int TN_, int STAGES_> struct GemmShape {
  static constexpr int TM = TM_, TN = TN_, STAGES = STAGES_;
  static constexpr int WARPS = 8, THREADS = WARPS * 32;
  static constexpr int STAGE = (TM + TN) * SLICE_ROW;  // numbers: rows of x, then rows of w
  static constexpr int SUM_ROW = TN + 8;               // a warp's stores of pairs fall into different banks
  static constexpr int STAGE_BYTES = WARPS * STAGES * STAGE * 2, SUM_BYTES = WARPS * TM * SUM_ROW * 4;
  static constexpr int BYTES = STAGE_BYTES > SUM_BYTES ? STAGE_BYTES : SUM_BYTES;
  // Results are finished in fours of a row.
  static constexpr int FOURS = TM * TN / 4, FOURS_A_THREAD = (FOURS + THREADS - 1) / THREADS;
  static_assert(TM % 16 == 0 && TN % 16 == 0 && BYTES <= 227 * 1024, "tile");
};

template <typename T> struct Gemm {
  const T *x, *w, *bias, *other;
  T* out;
  int m, n, k, function;
  float p, q;
};

// A warp's products of its slices, lane by lane as `multiply` has it.
template <typename T, typename Shape> struct SliceSums {
  float c[Shape::TM / 16][Shape::TN / 8][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < Shape::TM / 16; i++) {
#pragma unroll
      for (int j = 0; j < Shape::TN / 8; j++) c[i][j][0] = c[i][j][1] = c[i][j][2] = c[i][j][3] = 0.f;
    }
  }

  __device__ __forceinline__ void add(const T* stage, int lane) {
    const int matrix = lane / 8, matrix_row = lane % 8;
    const T* x = stage + lane % 16 * SLICE_ROW + lane / 16 * 8;
    const T* w = stage + (Shape::TM + (matrix >> 1) * 8 + matrix_row) * SLICE_ROW + (matrix & 1) * 8;
#pragma unroll
    for (int k = 0; k < SLICE; k += 16) {
      uint32_t a[Shape::TM / 16][4];
#pragma unroll
      for (int i = 0; i < Shape::TM / 16; i++) load_matrices(a[i], x + i * 16 * SLICE_ROW + k);
#pragma unroll
      for (int j = 0; j < Shape::TN / 16; j++) {
        uint32_t b[4];
        load_matrices(b, w + j * 16 * SLICE_ROW + k);
#pragma unroll
        for (int i = 0; i < Shape::TM / 16; i++) {
          multiply<T>(c[i][2 * j], a[i], b[0], b[1]);
          multiply<T>(c[i][2 * j + 1], a[i], b[2], b[3]);
        }
      }
    }
  }

  __device__ __forceinline__ void store(float* sums, int lane) const {
    float* to = sums + lane / 4 * Shape::SUM_ROW + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < Shape::TM / 16; i++) {
#pragma unroll
      for (int j = 0; j < Shape::TN / 8; j++) {
        float* at = to + i * 16 * Shape::SUM_ROW + j * 8;
        *reinterpret_cast<float2*>(at) = make_float2(c[i][j][0], c[i][j][1]);
        *reinterpret_cast<float2*>(at + 8 * Shape::SUM_ROW) = make_float2(c[i][j][2], c[i][j][3]);
      }
    }
  }
};

// Four numbers of a row of which `real` exist, in 8 bytes.
struct alignas(8) Four {
  uint32_t low, high;
};

template <typename T> __device__ __forceinline__ Four load_four(const T* p, int real, bool aligned) {
  Four v = {0, 0};
  if (!p || real <= 0) return v;
  if (aligned) return *reinterpret_cast<const Four*>(p);
  const uint16_t* bits = reinterpret_cast<const uint16_t*>(p);
  v.low = bits[0] | (real > 1 ? static_cast<uint32_t>(bits[1]) << 16 : 0);
  v.high = (real > 2 ? bits[2] : 0) | (real > 3 ? static_cast<uint32_t>(bits[3]) << 16 : 0);
  return v;
}

template <typename T> __device__ __forceinline__ void store_four(T* p, Four v, int real, bool aligned) {
  if (aligned) {
    *reinterpret_cast<Four*>(p) = v;
    return;
  }
  uint16_t* bits = reinterpret_cast<uint16_t*>(p);
  bits[0] = static_cast<uint16_t>(v.low);
  if (real > 1) bits[1] = static_cast<uint16_t>(v.low >> 16);
  if (real > 2) bits[2] = static_cast<uint16_t>(v.high);
  if (real > 3) bits[3] = static_cast<uint16_t>(v.high >> 16);
}

template <typename T> __device__ __forceinline__ void add_four(float4& sum, Four v) {
  const float2 low = pair_to_floats(*reinterpret_cast<const Pair<T>*>(&v.low));
  const float2 high = pair_to_floats(*reinterpret_cast<const Pair<T>*>(&v.high));
  sum.x += low.x;
  sum.y += low.y;
  sum.z += high.x;
  sum.w += high.y;
}

__device__ __forceinline__ void add(float4& sum, float4 v) {
  sum.x += v.x;
  sum.y += v.y;
  sum.z += v.z;
  sum.w += v.w;
}

// Where this thread's four number i lies: in the tile and in the result.
template <typename Shape> struct FourAt {
  int row, column;  // of the tile
  size_t offset;    // in the result
  int result_column, real;

  __device__ __forceinline__ FourAt(int i, int m, int n) {
    const int four = i * Shape::THREADS + threadIdx.x;
    row = four / (Shape::TN / 4);
    column = four % (Shape::TN / 4) * 4;
    const int result_row = blockIdx.y * Shape::TM + row;
    result_column = blockIdx.x * Shape::TN + column;
    offset = static_cast<size_t>(result_row) * n + result_column;
    const bool mine = i * Shape::THREADS + static_cast<int>(threadIdx.x) < Shape::FOURS;
    real = mine && result_row < m ? min(4, n - result_column) : 0;
  }
};

// The whole sum of a four: of the warps' partial sums.
template <typename Shape> __device__ __forceinline__ float4 sum_of_warps(const float* sums, int row, int column) {
  float4 total = make_float4(0.f, 0.f, 0.f, 0.f);
  const float* at = sums + row * Shape::SUM_ROW + column;
#pragma unroll
  for (int w = 0; w < Shape::WARPS; w++) {
    add(total, *reinterpret_cast<const float4*>(at + w * Shape::TM * Shape::SUM_ROW));
  }
  return total;
}

template <typename T, typename Shape, int F>
__device__ __forceinline__ void finish(const Gemm<T>& g, float4 (&sum)[Shape::FOURS_A_THREAD]) {
  const int function = g.function % WEIGHTS_STAY;
#pragma unroll
  for (int i = 0; i < Shape::FOURS_A_THREAD; i++) {
    const FourAt<Shape> at(i, g.m, g.n);
    if (at.real <= 0) continue;
    const float a = apply_known<F>(function, sum[i].x, g.p, g.q), b = apply_known<F>(function, sum[i].y, g.p, g.q);
    const float c = apply_known<F>(function, sum[i].z, g.p, g.q), d = apply_known<F>(function, sum[i].w, g.p, g.q);
    store_four(g.out + at.offset, {pack<T>(a, b), pack<T>(c, d)}, at.real, g.n % 4 == 0);
  }
}

template <typename T, typename Shape> __device__ __forceinline__ void gemm(const Gemm<T>& g) {
  constexpr int TM = Shape::TM, TN = Shape::TN, STAGES = Shape::STAGES;
  extern __shared__ uint4 gemm_shared[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  T* stages = reinterpret_cast<T*>(gemm_shared) + warp * STAGES * Shape::STAGE;

  // This warp's slices: first, first + step ..; a lane copies 16 bytes of every eighth row.
  const int first = warp, step = Shape::WARPS;
  const int slices = (g.k + SLICE - 1) / SLICE, mine = slices > first ? (slices - first + step - 1) / step : 0;
  const int in_slice = lane % 4 * 8, fetch_row = lane / 4;
  const auto fetch_rows = [&](const T* from, int first_row, int rows, int tile_rows, T* to, int column) {
    const bool inside = column < g.k;
    const T* source = from + static_cast<size_t>(first_row + fetch_row) * g.k + column;
#pragma unroll
    for (int i = 0; i < tile_rows / 8; i++) {
      const bool real = inside && first_row + fetch_row + i * 8 < rows;
      copy16(to + (fetch_row + i * 8) * SLICE_ROW + in_slice, real ? source + static_cast<size_t>(i) * 8 * g.k : from, real);
    }
  };
  const auto fetch_x = [&](int s) {
    fetch_rows(g.x, blockIdx.y * TM, g.m, TM, stages + s % STAGES * Shape::STAGE, (first + s * step) * SLICE + in_slice);
  };
  const auto fetch_w = [&](int s) {
    fetch_rows(g.w, blockIdx.x * TN, g.n, TN, stages + s % STAGES * Shape::STAGE + TM * SLICE_ROW,
               (first + s * step) * SLICE + in_slice);
  };

  const bool weights_stay = g.function >= WEIGHTS_STAY;
  if (weights_stay) {
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
      if (s < mine) fetch_w(s);
    }
  }
  wait_for_inputs();
  let_next_start();
#pragma unroll
  for (int s = 0; s < STAGES; s++) {
    if (s < mine) {
      fetch_x(s);
      if (!weights_stay) fetch_w(s);
    }
    end_copy_group();  // the first holds all of w that came before
  }

  // What is added after the product is on its way meanwhile.
  Four bias[Shape::FOURS_A_THREAD], other[Shape::FOURS_A_THREAD];
#pragma unroll
  for (int i = 0; i < Shape::FOURS_A_THREAD; i++) {
    const FourAt<Shape> at(i, g.m, g.n);
    bias[i] = load_four(g.bias ? g.bias + at.result_column : nullptr, at.real, g.n % 4 == 0);
    other[i] = load_four(g.other ? g.other + at.offset : nullptr, at.real, g.n % 4 == 0);
  }

  SliceSums<T, Shape> products;
  products.clear();
  for (int s = 0; s < mine; s++) {
    wait_copies<STAGES - 1>();
    __syncwarp();  // the other lanes' copies have arrived too
    products.add(stages + s % STAGES * Shape::STAGE, lane);
    __syncwarp();  // all lanes have read the stage
    if (s + STAGES < mine) {
      fetch_x(s + STAGES);
      fetch_w(s + STAGES);
    }
    end_copy_group();
  }

  float* sums = reinterpret_cast<float*>(gemm_shared);
  __syncthreads();  // the stages are done with
  products.store(sums + warp * TM * Shape::SUM_ROW, lane);
  __syncthreads();

  float4 sum[Shape::FOURS_A_THREAD];
#pragma unroll
  for (int i = 0; i < Shape::FOURS_A_THREAD; i++) {
    const FourAt<Shape> at(i, g.m, g.n);
    sum[i] = make_float4(0.f, 0.f, 0.f, 0.f);
    if (at.real <= 0) continue;
    sum[i] = sum_of_warps<Shape>(sums, at.row, at.column);
    add_four<T>(sum[i], bias[i]);
    add_four<T>(sum[i], other[i]);
  }
  switch (g.function % WEIGHTS_STAY) {
    case FN_IDENTITY: finish<T, Shape, FN_IDENTITY>(g, sum); break;
    case FN_GELU: finish<T, Shape, FN_GELU>(g, sum); break;
    case FN_GELU_TANH: finish<T, Shape, FN_GELU_TANH>(g, sum); break;
    case FN_SILU: finish<T, Shape, FN_SILU>(g, sum); break;
    case FN_CLIP: finish<T, Shape, FN_CLIP>(g, sum); break;
    default: finish<T, Shape, ANY_FUNCTION>(g, sum);
  }
}

#define GEMM(TM, TN, STAGES, T, NAME)                                                                                \
  extern "C" __global__ void __launch_bounds__(256) gemm_##TM##x##TN##_##NAME(                                       \
      const T* x, const T* w, const T* bias, const T* other, T* out, int m, int n, int k, int function, float p,     \
      float q) {                                                                                                     \
    gemm<T, GemmShape<TM, TN, STAGES>>({x, w, bias, other, out, m, n, k, function, p, q});                           \
  }
GEMM(16, 32, 3, __half, f16)
GEMM(16, 32, 3, __nv_bfloat16, bf16)
GEMM(32, 48, 2, __half, f16)
GEMM(32, 48, 2, __nv_bfloat16, bf16)

// As the host has it.
static_assert(GemmShape<16, 32, 3>::BYTES == 92160 && GemmShape<32, 48, 2>::BYTES == 102400, "shared memory");
