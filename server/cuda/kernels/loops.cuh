// What the generic kernels are made of: grid-stride loops, walks over strided tensors, packs of neighbouring
// elements read and written at once, and folds over the lanes of a warp and the threads of a block.
//
// Invariants: blocks are one row of threads, a multiple of 32 (transposes excepted, which say so); any grid gives
// the right result, since every loop goes on until the work is done. Pointers are not __restrict__: the compiler
// might otherwise move a read before `begin`.
#pragma once
#include <type_traits>
#include "common.cuh"

#define FOR_FLOATS(M) M(f32, float) M(f16, __half) M(bf16, __nv_bfloat16)
#define FOR_NUMBERS(M) FOR_FLOATS(M) M(i64, int64_t) M(i32, int32_t)
#define FOR_SIZES(M) M(1, uint8_t) M(2, uint16_t) M(4, uint32_t) M(8, uint64_t)

// To be called by every kernel before it touches global memory.
__device__ __forceinline__ void begin() {
  wait_for_inputs();
  let_next_start();
}

__device__ __forceinline__ unsigned first_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ unsigned index_step() { return gridDim.x * blockDim.x; }

// What a number is calculated in: f32 for floats, the type itself for integers.
template <typename T> using Work = typename std::conditional<std::is_integral<T>::value, T, float>::type;
template <typename T> __device__ __forceinline__ Work<T> to_work(T v) {
  if constexpr (std::is_integral<T>::value) return v;
  else return to_float(v);
}
template <typename T> __device__ __forceinline__ T from_work(Work<T> v) {
  if constexpr (std::is_integral<T>::value) return v;
  else return from_float<T>(v);
}

// The greater and the lesser of two numbers; not a number if either is none.
template <typename A> __device__ __forceinline__ A greater(A a, A b) { return a > b || a != a ? a : b; }
template <typename A> __device__ __forceinline__ A lesser(A a, A b) { return a < b || a != a ? a : b; }

// N neighbours, moved by one instruction when they fill 2, 4, 8 or 16 bytes.
template <typename T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };

template <int N, typename T> __device__ __forceinline__ bool aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (sizeof(T) * N) == 0;
}
template <int N, typename T> __device__ __forceinline__ Pack<T, N> load(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, typename T> __device__ __forceinline__ void store(T* p, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}

// Calls visit(axis, coordinate) for the axes of the walk's index-th element, the innermost axis first. Unrolled,
// so that dims and strides are constants of the launch rather than indexed memory.
template <typename Walk, typename Visit>
__device__ __forceinline__ void each_axis(const Walk& walk, unsigned index, Visit visit) {
#pragma unroll
  for (int axis = MAX_RANK - 1; axis > 0; --axis) {
    if (axis < walk.rank) {
      const unsigned size = walk.dims[axis];
      const unsigned outer = index / size;
      visit(axis, static_cast<int>(index - outer * size));
      index = outer;
    }
  }
  if (walk.rank > 0) visit(0, static_cast<int>(index));
}

// Whether the elements of the walk, in its order, fall into packs of N along the innermost axis. With a single
// axis there may be a tail.
template <int N, typename Walk> __device__ __forceinline__ bool falls_into_packs(const Walk& walk) {
  return walk.rank == 1 || (walk.rank > 1 && walk.dims[walk.rank - 1] % N == 0);
}

// Whether each such pack is an aligned pack of the tensor at `base` (innermost stride 1) or one element of it
// (stride 0); `load_along` then reads it. The walk's rank is at least 1.
template <int N, typename T, typename Walk>
__device__ __forceinline__ bool has_packs(const Walk& walk, const int* strides, const T* base) {
  const int innermost = strides[walk.rank - 1];
  if (innermost == 0) return true;
  if (innermost != 1 || !aligned<N>(base)) return false;
  for (int axis = 0; axis < walk.rank - 1; ++axis) {
    if (strides[axis] % N != 0) return false;
  }
  return true;
}
template <int N, typename T> __device__ __forceinline__ Pack<T, N> load_along(const T* p, int stride) {
  if (stride != 0) return load<N>(p);
  Pack<T, N> pack;
  const T v = *p;
#pragma unroll
  for (int k = 0; k < N; ++k) pack.at[k] = v;
  return pack;
}

// out[i] = f(x[i]) for dense tensors.
template <typename T, typename R, typename F>
__device__ __forceinline__ void map(const T* x, R* out, int n, F f) {
  constexpr int N = 16 / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
  const unsigned packs = aligned<N>(x) && aligned<N>(out) ? n / N : 0;
  for (unsigned i = first_index(); i < packs; i += index_step()) {
    const Pack<T, N> from = load<N>(x + i * N);
    Pack<R, N> to;
#pragma unroll
    for (int k = 0; k < N; ++k) to.at[k] = f(from.at[k]);
    store<N>(out + i * N, to);
  }
  for (unsigned i = packs * N + first_index(); i < n; i += index_step()) out[i] = f(x[i]);
}

// The fold of a value over the 32 lanes of a warp, given to all of them. `join` is commutative and associative.
template <typename A, typename Join> __device__ __forceinline__ A fold_warp(A value, Join join) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) value = join(value, __shfl_xor_sync(0xffffffffu, value, lane));
  return value;
}

// The same over all threads of the block. To be called by all of them; may be called again at once.
template <typename A, typename Join> __device__ __forceinline__ A fold_block(A value, Join join) {
  __shared__ A of_warp[32];
  value = fold_warp(value, join);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = of_warp[0];
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) value = join(value, of_warp[warp]);
  __syncthreads();
  return value;
}
