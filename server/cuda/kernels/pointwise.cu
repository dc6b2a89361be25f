// Kernels whose output elements each depend on one element of every input: functions of one number, arithmetic,
// comparison and logic on two tensors with broadcasting, selection, casts, constants and ranges.
//
// Outputs are dense, in the order of the walk. Floats are calculated in f32, integers in their own type with
// wrap-around. Blocks of 256 threads; a thread handles 16 bytes at a time where strides and addresses allow it.
#include <limits.h>
#include "functions.cuh"
#include "loops.cuh"

enum Binary { ADD, SUB, MUL, DIV, POW, MIN, MAX, MOD, FMOD };
enum Compare { EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL };
enum Logic { AND, OR, XOR };
enum Test { IS_NAN, IS_INF, IS_POSITIVE_INF, IS_NEGATIVE_INF };

// Calls f with the op as a constant, so that loops need not choose again for every element.
template <int OP> using Constant = std::integral_constant<int, OP>;
template <int LAST, typename F> __device__ __forceinline__ void with_constant(int op, F f) {
  if constexpr (LAST > 0) {
    if (op != LAST) return with_constant<LAST - 1>(op, f);
  }
  f(Constant<LAST>());
}

// out[i] = f(a[..], b[..]) in the order of the walk.
template <typename T, typename R, typename F>
__device__ __forceinline__ void zip(const T* a, const T* b, R* out, int n, const Walk2& walk, F f) {
  constexpr int N = 16 / sizeof(T);
  unsigned packs = 0;
  if (falls_into_packs<N>(walk) && has_packs<N>(walk, walk.a, a) && has_packs<N>(walk, walk.b, b) &&
      aligned<N>(out)) {
    packs = n / N;
    const int a_stride = walk.a[walk.rank - 1], b_stride = walk.b[walk.rank - 1];
    for (unsigned i = first_index(); i < packs; i += index_step()) {
      int at_a = 0, at_b = 0;
      each_axis(walk, i * N, [&](int axis, int at) { at_a += at * walk.a[axis]; at_b += at * walk.b[axis]; });
      const Pack<T, N> x = load_along<N>(a + at_a, a_stride), y = load_along<N>(b + at_b, b_stride);
      Pack<R, N> to;
#pragma unroll
      for (int k = 0; k < N; ++k) to.at[k] = f(x.at[k], y.at[k]);
      store<N>(out + i * N, to);
    }
  }
  for (unsigned i = packs * N + first_index(); i < n; i += index_step()) {
    int at_a = 0, at_b = 0;
    each_axis(walk, i, [&](int axis, int at) { at_a += at * walk.a[axis]; at_b += at * walk.b[axis]; });
    out[i] = f(a[at_a], b[at_b]);
  }
}

// Sums, differences and products of integers wrap around, which C++ only promises of unsigned ones.
template <int OP, typename I> __device__ __forceinline__ I wrapping(I a, I b) {
  using U = typename std::make_unsigned<I>::type;
  const U x = static_cast<U>(a), y = static_cast<U>(b);
  return static_cast<I>(OP == ADD ? x + y : OP == SUB ? x - y : x * y);
}

// Division by 0 gives 0; the lowest number divided by -1 wraps around.
template <typename I> __device__ __forceinline__ I quotient(I a, I b) {
  return b == 0 ? 0 : b == -1 ? wrapping<SUB, I>(0, a) : a / b;
}
template <typename I> __device__ __forceinline__ I remainder_of(I a, I b) { return b == 0 || b == -1 ? 0 : a % b; }

template <typename I> __device__ __forceinline__ I integer_power(I base, I exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  I result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = wrapping<MUL>(result, base);
    base = wrapping<MUL>(base, base);
  }
  return result;
}

template <int OP> __device__ __forceinline__ float combine(float a, float b) {
  switch (OP) {
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case DIV: return a / b;
    case POW: return powf(a, b);
    case MIN: return lesser(a, b);
    case MAX: return greater(a, b);
    case MOD: {
      const float rest = fmodf(a, b);
      return rest != 0.f && (rest < 0.f) != (b < 0.f) ? rest + b : rest;
    }
    default: return fmodf(a, b);
  }
}

template <int OP, typename I> __device__ __forceinline__ I combine(I a, I b) {
  switch (OP) {
    case ADD: case SUB: case MUL: return wrapping<OP>(a, b);
    case DIV: return quotient(a, b);
    case POW: return integer_power(a, b);
    case MIN: return lesser(a, b);
    case MAX: return greater(a, b);
    case MOD: {
      const I rest = remainder_of(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    default: return remainder_of(a, b);
  }
}

template <typename W> __device__ __forceinline__ bool compare(int op, W a, W b) {
  switch (op) {
    case EQUAL: return a == b;
    case LESS: return a < b;
    case LESS_OR_EQUAL: return a <= b;
    case GREATER: return a > b;
    default: return a >= b;
  }
}

__device__ __forceinline__ bool test(int what, float v) {
  switch (what) {
    case IS_NAN: return isnan(v);
    case IS_INF: return isinf(v);
    case IS_POSITIVE_INF: return isinf(v) && v > 0.f;
    default: return isinf(v) && v < 0.f;
  }
}

template <typename I> __device__ __forceinline__ I apply_integer(int function, I v) {
  switch (function) {
    case FN_NEG: return wrapping<SUB, I>(0, v);
    case FN_ABS: return v < 0 ? wrapping<SUB, I>(0, v) : v;
    case FN_SIGN: return (v > 0) - (v < 0);
    default: return v;
  }
}

// Toward zero, the nearest integer there is; 0 for NaN. The bounds are powers of two, exact as floats.
template <typename I> __device__ __forceinline__ I saturated(float v) {
  const float bound = sizeof(I) == 8 ? 9223372036854775808.f : 2147483648.f;
  const I most = sizeof(I) == 8 ? LLONG_MAX : INT_MAX;
  if (isnan(v)) return 0;
  if (v >= bound) return most;
  if (v < -bound) return -most - 1;
  return static_cast<I>(v);
}

// Converts the number v to T, where F is the type it comes from: u8 stands for truth on both sides.
template <typename F, typename T> __device__ __forceinline__ T cast(F from) {
  const Work<F> v = to_work(from);
  constexpr bool from_truth = std::is_same<F, uint8_t>::value, to_truth = std::is_same<T, uint8_t>::value;
  constexpr bool from_integer = std::is_integral<F>::value, to_integer = std::is_integral<T>::value;
  if constexpr (to_truth) return v != 0;
  else if constexpr (from_truth) return from_work<T>(v != 0);
  else if constexpr (to_integer && from_integer) return static_cast<T>(v);
  else if constexpr (to_integer) return saturated<T>(v);
  else return from_float<T>(static_cast<float>(v));
}

template <typename U>
__device__ __forceinline__ void select(const uint8_t* condition, const U* a, const U* b, U* out, int n,
                                       const Walk3& walk) {
  constexpr int N = 16 / sizeof(U);
  unsigned packs = 0;
  if (falls_into_packs<N>(walk) && has_packs<N>(walk, walk.a, condition) && has_packs<N>(walk, walk.b, a) &&
      has_packs<N>(walk, walk.c, b) && aligned<N>(out)) {
    packs = n / N;
    const int last = walk.rank - 1;
    const int condition_stride = walk.a[last], a_stride = walk.b[last], b_stride = walk.c[last];
    for (unsigned i = first_index(); i < packs; i += index_step()) {
      int at_condition = 0, at_a = 0, at_b = 0;
      each_axis(walk, i * N, [&](int axis, int at) {
        at_condition += at * walk.a[axis]; at_a += at * walk.b[axis]; at_b += at * walk.c[axis];
      });
      const Pack<uint8_t, N> which = load_along<N>(condition + at_condition, condition_stride);
      const Pack<U, N> x = load_along<N>(a + at_a, a_stride), y = load_along<N>(b + at_b, b_stride);
      Pack<U, N> to;
#pragma unroll
      for (int k = 0; k < N; ++k) to.at[k] = which.at[k] ? x.at[k] : y.at[k];
      store<N>(out + i * N, to);
    }
  }
  for (unsigned i = packs * N + first_index(); i < n; i += index_step()) {
    int at_condition = 0, at_a = 0, at_b = 0;
    each_axis(walk, i, [&](int axis, int at) {
      at_condition += at * walk.a[axis]; at_a += at * walk.b[axis]; at_b += at * walk.c[axis];
    });
    out[i] = condition[at_condition] ? a[at_a] : b[at_b];
  }
}

template <typename U> __device__ __forceinline__ void fill(U* out, int n, U value) {
  constexpr int N = 16 / sizeof(U);
  const unsigned packs = aligned<N>(out) ? n / N : 0;
  const Pack<U, N> pack = load_along<N>(&value, 0);
  for (unsigned i = first_index(); i < packs; i += index_step()) store<N>(out + i * N, pack);
  for (unsigned i = packs * N + first_index(); i < n; i += index_step()) out[i] = value;
}

#define UNARY(NAME, T)                                                                                          \
  extern "C" __global__ void unary_##NAME(const T* x, T* out, int n, int function, float p, float q) {           \
    begin();                                                                                                     \
    map(x, out, n, [=](T v) { return from_float<T>(apply(function, to_float(v), p, q)); });                      \
  }
FOR_FLOATS(UNARY)

#define UNARY_INTEGER(NAME, T)                                                                                  \
  extern "C" __global__ void unary_##NAME(const T* x, T* out, int n, int function) {                             \
    begin();                                                                                                     \
    map(x, out, n, [=](T v) { return apply_integer(function, v); });                                             \
  }
UNARY_INTEGER(i64, int64_t)
UNARY_INTEGER(i32, int32_t)

extern "C" __global__ void not_u8(const uint8_t* x, uint8_t* out, int n) {
  begin();
  map(x, out, n, [](uint8_t v) -> uint8_t { return v == 0; });
}

#define TEST(NAME, T)                                                                                           \
  extern "C" __global__ void test_##NAME(const T* x, uint8_t* out, int n, int what) {                            \
    begin();                                                                                                     \
    map(x, out, n, [=](T v) -> uint8_t { return test(what, to_float(v)); });                                     \
  }
FOR_FLOATS(TEST)

#define BINARY(NAME, T)                                                                                         \
  extern "C" __global__ void binary_##NAME(const T* a, const T* b, T* out, int n, int op,                        \
                                           const __grid_constant__ Walk2 walk) {                                 \
    begin();                                                                                                     \
    with_constant<FMOD>(op, [&](auto constant) {                                                                 \
      zip(a, b, out, n, walk, [](T x, T y) {                                                                     \
        return from_work<T>(combine<decltype(constant)::value>(to_work(x), to_work(y)));                         \
      });                                                                                                        \
    });                                                                                                          \
  }
FOR_NUMBERS(BINARY)

#define COMPARE(NAME, T)                                                                                        \
  extern "C" __global__ void compare_##NAME(const T* a, const T* b, uint8_t* out, int n, int op,                 \
                                            const __grid_constant__ Walk2 walk) {                                \
    begin();                                                                                                     \
    zip(a, b, out, n, walk, [=](T x, T y) -> uint8_t { return compare(op, to_work(x), to_work(y)); });           \
  }
FOR_NUMBERS(COMPARE)
COMPARE(u8, uint8_t)

extern "C" __global__ void logic_u8(const uint8_t* a, const uint8_t* b, uint8_t* out, int n, int op,
                                    const __grid_constant__ Walk2 walk) {
  begin();
  zip(a, b, out, n, walk, [=](uint8_t x, uint8_t y) -> uint8_t {
    const bool left = x != 0, right = y != 0;
    return op == AND ? left && right : op == OR ? left || right : left != right;
  });
}

#define WHERE(SIZE, U)                                                                                          \
  extern "C" __global__ void where_##SIZE(const uint8_t* condition, const U* a, const U* b, U* out, int n,       \
                                          const __grid_constant__ Walk3 walk) {                                  \
    begin();                                                                                                     \
    select(condition, a, b, out, n, walk);                                                                       \
  }
FOR_SIZES(WHERE)

#define CAST(FROM, F, TO, T)                                                                                    \
  extern "C" __global__ void cast_##FROM##_##TO(const F* x, T* out, int n) {                                     \
    begin();                                                                                                     \
    map(x, out, n, [](F v) { return cast<F, T>(v); });                                                           \
  }
#define CAST_BOTH(X, A, Y, B) CAST(X, A, Y, B) CAST(Y, B, X, A)
CAST_BOTH(f32, float, f16, __half)
CAST_BOTH(f32, float, bf16, __nv_bfloat16)
CAST_BOTH(f32, float, i64, int64_t)
CAST_BOTH(f32, float, i32, int32_t)
CAST_BOTH(f32, float, u8, uint8_t)
CAST_BOTH(f16, __half, bf16, __nv_bfloat16)
CAST_BOTH(f16, __half, i64, int64_t)
CAST_BOTH(f16, __half, i32, int32_t)
CAST_BOTH(f16, __half, u8, uint8_t)
CAST_BOTH(bf16, __nv_bfloat16, i64, int64_t)
CAST_BOTH(bf16, __nv_bfloat16, i32, int32_t)
CAST_BOTH(bf16, __nv_bfloat16, u8, uint8_t)
CAST_BOTH(i64, int64_t, i32, int32_t)
CAST_BOTH(i64, int64_t, u8, uint8_t)
CAST_BOTH(i32, int32_t, u8, uint8_t)

#define FILL(SIZE, U)                                                                                           \
  extern "C" __global__ void fill_##SIZE(U* out, int n, U value) {                                               \
    begin();                                                                                                     \
    fill(out, n, value);                                                                                         \
  }
FOR_SIZES(FILL)

#define RANGE(NAME, T)                                                                                          \
  extern "C" __global__ void range_##NAME(T start, T delta, T* out, int n) {                                     \
    begin();                                                                                                     \
    for (unsigned i = first_index(); i < n; i += index_step()) out[i] = start + static_cast<T>(i) * delta;       \
  }
RANGE(i64, int64_t)
RANGE(i32, int32_t)
RANGE(f32, float)
