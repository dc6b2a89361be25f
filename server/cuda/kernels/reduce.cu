// Reductions along the middle axis of a dense tensor [outer, len, inner], and the places of extremes.
//
// Floats are folded in f32, integers in int64 (means truncate; there is no log-sum-exp of integers). Extremes of
// lines with NaN are NaN, and NaN's place is that of the extreme. Blocks of 256 threads. With inner 1 a warp folds
// a line of up to 1024 elements and a block a longer one; otherwise a block takes strips of 32 neighbouring lines,
// each warp every eighth element of them.
#include <math_constants.h>
#include "loops.cuh"

#define THREADS 256
#define WARPS (THREADS / 32)
#define LONGEST_OF_WARP 1024

enum Op { SUM, MEAN, MAX, MIN, PRODUCT, SUM_OF_SQUARES, L1, L2, LOG_SUM, LOG_SUM_EXP };
enum Kind { ADDED, SQUARED, ABSOLUTE, EXPONENTIALS, MULTIPLIED, GREATEST, LEAST };

template <typename T> using Sum = typename std::conditional<std::is_integral<T>::value, int64_t, float>::type;
template <typename T> __device__ __forceinline__ Sum<T> number(T v) {
  if constexpr (std::is_integral<T>::value) return v;
  else return to_float(v);
}

template <typename A> __device__ __forceinline__ A lowest();
template <> __device__ __forceinline__ float lowest() { return -CUDART_INF_F; }
template <> __device__ __forceinline__ int64_t lowest() { return INT64_MIN; }
template <typename A> __device__ __forceinline__ A highest();
template <> __device__ __forceinline__ float highest() { return CUDART_INF_F; }
template <> __device__ __forceinline__ int64_t highest() { return INT64_MAX; }

// How one kind of reduction begins, takes an element in and joins two parts. `shift` is taken off exponents.
template <typename A, int KIND> struct Fold {
  static __device__ __forceinline__ A start() {
    return KIND == MULTIPLIED ? A(1) : KIND == GREATEST ? lowest<A>() : KIND == LEAST ? highest<A>() : A(0);
  }
  static __device__ __forceinline__ A join(A a, A b) {
    return KIND == MULTIPLIED ? a * b : KIND == GREATEST ? greater(a, b) : KIND == LEAST ? lesser(a, b) : a + b;
  }
  static __device__ __forceinline__ A take(A folded, A v, A shift) {
    if constexpr (KIND == EXPONENTIALS) v = expf(v - shift);
    if constexpr (KIND == SQUARED) v = v * v;
    if constexpr (KIND == ABSOLUTE) v = v < 0 ? -v : v;
    return join(folded, v);
  }
};

// The folds of one line each, given to all threads that share in it.
template <typename T, int KIND, bool BLOCK>
__device__ __forceinline__ Sum<T> fold_row(const T* row, int len, Sum<T> shift) {
  using A = Sum<T>;
  using F = Fold<A, KIND>;
  constexpr int N = 16 / sizeof(T);
  const unsigned thread = BLOCK ? threadIdx.x : threadIdx.x % 32, threads = BLOCK ? blockDim.x : 32;
  A folded = F::start();
  const unsigned packs = aligned<N>(row) ? len / N : 0;
  for (unsigned i = thread; i < packs; i += threads) {
    const Pack<T, N> pack = load<N>(row + i * N);
#pragma unroll
    for (int k = 0; k < N; ++k) folded = F::take(folded, number(pack.at[k]), shift);
  }
  for (unsigned i = packs * N + thread; i < len; i += threads) folded = F::take(folded, number(row[i]), shift);
  auto join = [](A a, A b) { return F::join(a, b); };
  if constexpr (BLOCK) return fold_block(folded, join);
  else return fold_warp(folded, join);
}

template <typename T, int KIND>
__device__ __forceinline__ Sum<T> fold_column(const T* column, int len, int inner, bool inside, Sum<T> shift) {
  using A = Sum<T>;
  using F = Fold<A, KIND>;
  __shared__ A parts[WARPS][32];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  A folded = F::start();
  if (inside) {
    for (unsigned i = warp; i < len; i += WARPS) {
      folded = F::take(folded, number(column[static_cast<size_t>(i) * inner]), shift);
    }
  }
  parts[warp][lane] = folded;
  __syncthreads();
  folded = parts[0][lane];
#pragma unroll
  for (int w = 1; w < WARPS; ++w) folded = F::join(folded, parts[w][lane]);
  __syncthreads();
  return folded;
}

// What the reduction makes of a line, given `fold`, which folds it in some kind.
template <typename T, int KIND, typename FoldLine>
__device__ __forceinline__ Sum<T> reduce_line(int len, int op, FoldLine fold) {
  using A = Sum<T>;
  if constexpr (KIND == EXPONENTIALS) {
    const A greatest = fold(std::integral_constant<int, GREATEST>(), A(0));
    const A shift = isfinite(greatest) ? greatest : 0.f;
    return shift + logf(fold(std::integral_constant<int, EXPONENTIALS>(), shift));
  } else {
    const A folded = fold(std::integral_constant<int, KIND>(), A(0));
    if (KIND == ADDED && op == MEAN) return std::is_integral<T>::value && len == 0 ? A(0) : folded / A(len);
    if (KIND == SQUARED && op == L2) {
      if constexpr (std::is_integral<T>::value) return static_cast<A>(sqrt(static_cast<double>(folded)));
      else return sqrtf(folded);
    }
    if (KIND == ADDED && op == LOG_SUM) {
      if constexpr (std::is_integral<T>::value) return static_cast<A>(log(static_cast<double>(folded)));
      else return logf(folded);
    }
    return folded;
  }
}

template <typename T> __device__ __forceinline__ T from_sum(Sum<T> v) {
  if constexpr (std::is_integral<T>::value) return static_cast<T>(v);
  else return from_float<T>(v);
}

template <typename T, int KIND>
__device__ __forceinline__ void reduce_kind(const T* in, T* out, int outer, int len, int inner, int op) {
  using A = Sum<T>;
  if (inner == 1 && len <= LONGEST_OF_WARP) {
    for (unsigned row = first_index() / 32; row < outer; row += index_step() / 32) {
      const T* line = in + static_cast<size_t>(row) * len;
      const A v = reduce_line<T, KIND>(len, op, [&](auto kind, A shift) {
        return fold_row<T, decltype(kind)::value, false>(line, len, shift);
      });
      if (threadIdx.x % 32 == 0) out[row] = from_sum<T>(v);
    }
  } else if (inner == 1) {
    for (unsigned row = blockIdx.x; row < outer; row += gridDim.x) {
      const T* line = in + static_cast<size_t>(row) * len;
      const A v = reduce_line<T, KIND>(len, op, [&](auto kind, A shift) {
        return fold_row<T, decltype(kind)::value, true>(line, len, shift);
      });
      if (threadIdx.x == 0) out[row] = from_sum<T>(v);
    }
  } else {
    const unsigned strips = (inner + 31) / 32, work = outer * strips;
    for (unsigned unit = blockIdx.x; unit < work; unit += gridDim.x) {
      const unsigned o = unit / strips, i = (unit - o * strips) * 32 + threadIdx.x % 32;
      const T* column = in + static_cast<size_t>(o) * len * inner + i;
      const A v = reduce_line<T, KIND>(len, op, [&](auto kind, A shift) {
        return fold_column<T, decltype(kind)::value>(column, len, inner, i < inner, shift);
      });
      if (threadIdx.x < 32 && i < inner) out[static_cast<size_t>(o) * inner + i] = from_sum<T>(v);
    }
  }
}

template <typename T>
__device__ __forceinline__ void reduce(const T* in, T* out, int outer, int len, int inner, int op) {
  switch (op) {
    case SUM: case MEAN: case LOG_SUM: return reduce_kind<T, ADDED>(in, out, outer, len, inner, op);
    case MAX: return reduce_kind<T, GREATEST>(in, out, outer, len, inner, op);
    case MIN: return reduce_kind<T, LEAST>(in, out, outer, len, inner, op);
    case PRODUCT: return reduce_kind<T, MULTIPLIED>(in, out, outer, len, inner, op);
    case SUM_OF_SQUARES: case L2: return reduce_kind<T, SQUARED>(in, out, outer, len, inner, op);
    case L1: return reduce_kind<T, ABSOLUTE>(in, out, outer, len, inner, op);
    case LOG_SUM_EXP:
      if constexpr (!std::is_integral<T>::value) reduce_kind<T, EXPONENTIALS>(in, out, outer, len, inner, op);
      return;
  }
}

// The best element so far and its index, -1 when there is none yet.
template <typename A> struct Best { A value; int index; };

template <typename A> __device__ __forceinline__ Best<A> better(Best<A> x, Best<A> y, int least, int last) {
  if (x.index < 0) return y;
  if (y.index < 0) return x;
  const bool x_none = x.value != x.value, y_none = y.value != y.value;
  const bool equal = x.value == y.value || (x_none && y_none);
  if (equal) return (x.index < y.index) == (last == 0) ? x : y;
  if (x_none || y_none) return x_none ? x : y;
  return (x.value < y.value) == (least != 0) ? x : y;
}

template <typename T>
__device__ __forceinline__ void arg(const T* in, int64_t* out, int outer, int len, int inner, int least, int last) {
  using A = Sum<T>;
  const unsigned lines = static_cast<unsigned>(outer) * inner;
  if (inner == 1) {
    for (unsigned line = first_index() / 32; line < lines; line += index_step() / 32) {
      const T* row = in + static_cast<size_t>(line) * len;
      Best<A> best = {A(0), -1};
      for (int i = threadIdx.x % 32; i < len; i += 32) best = better(best, {number(row[i]), i}, least, last);
#pragma unroll
      for (int lane = 16; lane > 0; lane /= 2) {
        const Best<A> other = {__shfl_xor_sync(0xffffffffu, best.value, lane),
                               __shfl_xor_sync(0xffffffffu, best.index, lane)};
        best = better(best, other, least, last);
      }
      if (threadIdx.x % 32 == 0) out[line] = best.index;
    }
    return;
  }
  for (unsigned line = first_index(); line < lines; line += index_step()) {
    const unsigned o = line / inner;
    const T* column = in + static_cast<size_t>(o) * len * inner + (line - o * inner);
    Best<A> best = {A(0), -1};
    for (int i = 0; i < len; ++i) {
      best = better(best, {number(column[static_cast<size_t>(i) * inner]), i}, least, last);
    }
    out[line] = best.index;
  }
}

#define REDUCE(NAME, T)                                                                                         \
  extern "C" __global__ void reduce_##NAME(const T* in, T* out, int outer, int len, int inner, int op) {         \
    begin();                                                                                                     \
    reduce(in, out, outer, len, inner, op);                                                                      \
  }                                                                                                              \
  extern "C" __global__ void arg_##NAME(const T* in, int64_t* out, int outer, int len, int inner, int least,     \
                                        int last) {                                                              \
    begin();                                                                                                     \
    arg(in, out, outer, len, inner, least, last);                                                                \
  }
FOR_NUMBERS(REDUCE)
