// Kernels that take elements by index: whole lines of an axis (embeddings), single elements; and running sums.
//
// Tensors are dense. An element is its size in bytes only, where nothing is calculated. Negative indices count
// from the axis' end; the host cannot see an index, so one that is still outside is taken to the nearest inside.
#include "loops.cuh"

template <typename I> __device__ __forceinline__ int inside(I index, int axis) {
  const int64_t from_start = index < 0 ? static_cast<int64_t>(index) + axis : static_cast<int64_t>(index);
  return static_cast<int>(from_start < 0 ? 0 : from_start >= axis ? axis - 1 : from_start);
}

template <int N, typename U, typename I>
__device__ __forceinline__ void gather_packs(const U* data, const I* index, U* out, int outer, int axis, int inner,
                                             int indices) {
  const unsigned packs = inner / N, n = static_cast<unsigned>(outer) * indices * packs;
  for (unsigned i = first_index(); i < n; i += index_step()) {
    const unsigned line = i / packs, k = i - line * packs;
    const unsigned o = line / indices, which = line - o * indices;
    const size_t from = (static_cast<size_t>(o) * axis + inside(index[which], axis)) * inner + k * N;
    store<N>(out + static_cast<size_t>(i) * N, load<N>(data + from));
  }
}

// out[o, i, k] = data[o, index[i], k]
template <typename U, typename I>
__device__ __forceinline__ void gather(const U* data, const I* index, U* out, int outer, int axis, int inner,
                                       int indices) {
  constexpr int N = 16 / sizeof(U);
  if (axis <= 0 || inner <= 0) return;
  if (inner % N == 0 && aligned<N>(data) && aligned<N>(out)) {
    gather_packs<N>(data, index, out, outer, axis, inner, indices);
  } else {
    gather_packs<1>(data, index, out, outer, axis, inner, indices);
  }
}

// The walk goes over out and index, both dense; its `a` strides are those of data, 0 for the gathered axis.
template <typename U>
__device__ __forceinline__ void gather_elements(const U* data, const int64_t* index, U* out, int n, int axis,
                                                int axis_stride, const Walk1& walk) {
  if (axis <= 0) return;
  for (unsigned i = first_index(); i < n; i += index_step()) {
    int from = inside(index[i], axis) * axis_stride;
    each_axis(walk, i, [&](int a, int at) { from += at * walk.a[a]; });
    out[i] = data[from];
  }
}

// Sums over the lanes up to and including this one.
template <typename A> __device__ __forceinline__ A sum_up_to_lane(A value) {
  const unsigned lane = threadIdx.x % 32;
#pragma unroll
  for (unsigned back = 1; back < 32; back *= 2) {
    const A before = __shfl_up_sync(0xffffffffu, value, back);
    if (lane >= back) value += before;
  }
  return value;
}

// Running sums along the middle axis of [outer, len, inner], from its end if `reverse`, each without its own
// element if `exclusive`. A warp takes a line if inner is 1, and a thread does otherwise, when neighbouring lines
// lie beside each other.
template <typename T>
__device__ __forceinline__ void cumsum(const T* in, T* out, int outer, int len, int inner, int exclusive,
                                       int reverse) {
  const unsigned lines = static_cast<unsigned>(outer) * inner;
  if (inner == 1) {
    const unsigned lane = threadIdx.x % 32;
    for (unsigned line = first_index() / 32; line < lines; line += index_step() / 32) {
      const size_t base = static_cast<size_t>(line) * len;
      Work<T> before = 0;
      for (unsigned start = 0; start < len; start += 32) {
        const unsigned step = start + lane;
        const size_t at = base + (reverse ? len - 1 - step : step);
        const Work<T> own = step < len ? to_work(in[at]) : 0;
        const Work<T> sum = sum_up_to_lane(own);
        Work<T> left = __shfl_up_sync(0xffffffffu, sum, 1);
        if (lane == 0) left = 0;
        if (step < len) out[at] = from_work<T>(before + (exclusive ? left : sum));
        before += __shfl_sync(0xffffffffu, sum, 31);
      }
    }
    return;
  }
  for (unsigned line = first_index(); line < lines; line += index_step()) {
    const unsigned o = line / inner;
    const size_t base = static_cast<size_t>(o) * len * inner + (line - o * inner);
    Work<T> sum = 0;
    for (unsigned step = 0; step < len; ++step) {
      const size_t at = base + static_cast<size_t>(reverse ? len - 1 - step : step) * inner;
      const Work<T> before = sum;
      sum += to_work(in[at]);
      out[at] = from_work<T>(exclusive ? before : sum);
    }
  }
}

#define GATHER(SIZE, U)                                                                                         \
  extern "C" __global__ void gather_##SIZE(const U* data, const int64_t* index, U* out, int outer, int axis,     \
                                           int inner, int indices) {                                             \
    begin();                                                                                                     \
    gather(data, index, out, outer, axis, inner, indices);                                                       \
  }                                                                                                              \
  extern "C" __global__ void gather_i32_##SIZE(const U* data, const int32_t* index, U* out, int outer, int axis, \
                                               int inner, int indices) {                                         \
    begin();                                                                                                     \
    gather(data, index, out, outer, axis, inner, indices);                                                       \
  }                                                                                                              \
  extern "C" __global__ void gather_elements_##SIZE(const U* data, const int64_t* index, U* out, int n, int axis, \
                                                    int axis_stride, const __grid_constant__ Walk1 walk) {       \
    begin();                                                                                                     \
    gather_elements(data, index, out, n, axis, axis_stride, walk);                                               \
  }
FOR_SIZES(GATHER)

#define CUMSUM(NAME, T)                                                                                         \
  extern "C" __global__ void cumsum_##NAME(const T* in, T* out, int outer, int len, int inner, int exclusive,    \
                                           int reverse) {                                                        \
    begin();                                                                                                     \
    cumsum(in, out, outer, len, inner, exclusive, reverse);                                                      \
  }
FOR_FLOATS(CUMSUM)
CUMSUM(i64, int64_t)
