// What follows a matrix product that could not take it along: out = f(x + bias + other), for x and `other` of
// [rows, n] and `bias` of [n]. `bias` and `other` may be null, `out` may be x or `other`. Blocks of 256 threads, any
// grid. Pointers are 16-byte aligned when n is a multiple of the numbers in 16 bytes.
#include "known.cuh"
#include "vector.cuh"

struct Epilogue {
  int rows, n, function;
  float p, q;
};

template <typename T, int F>
__device__ __forceinline__ void vectors(const T* x, const T* bias, const T* other, T* out, const Epilogue& e) {
  constexpr int N = LANES<T>;
  const unsigned columns = e.n / N, total = e.rows * columns, stride = gridDim.x * blockDim.x;
  const unsigned first = blockIdx.x * blockDim.x + threadIdx.x, step = stride % columns;
  unsigned column = first % columns;
  for (unsigned i = first; i < total; i += stride) {
    uint4 b = make_uint4(0, 0, 0, 0), o = b;
    const uint4 a = load_raw(x + static_cast<size_t>(i) * N);
    if (bias) b = load_raw(bias + static_cast<size_t>(column) * N);
    if (other) o = load_raw(other + static_cast<size_t>(i) * N);
    float v[N], bias_v[N], other_v[N];
    unpack<T>(a, v);
    unpack<T>(b, bias_v);
    unpack<T>(o, other_v);
#pragma unroll
    for (int j = 0; j < N; j++) v[j] = apply_known<F>(e.function, v[j] + bias_v[j] + other_v[j], e.p, e.q);
    store_vector(out + static_cast<size_t>(i) * N, v);
    column += step;
    if (column >= columns) column -= columns;
  }
}

template <typename T, int F>
__device__ __forceinline__ void scalars(const T* x, const T* bias, const T* other, T* out, const Epilogue& e) {
  const unsigned total = static_cast<unsigned>(e.rows) * e.n, stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += stride) {
    float v = to_float(x[i]);
    if (bias) v += to_float(bias[i % e.n]);
    if (other) v += to_float(other[i]);
    out[i] = from_float<T>(apply_known<F>(e.function, v, e.p, e.q));
  }
}

template <typename T>
__device__ __forceinline__ void bias_act(const T* x, const T* bias, const T* other, T* out, const Epilogue& e) {
  wait_for_inputs();
  let_next_start();
  if (e.rows <= 0 || e.n <= 0) return;
  if (e.n % LANES<T> != 0) return scalars<T, ANY_FUNCTION>(x, bias, other, out, e);
  switch (e.function) {
    case FN_IDENTITY: return vectors<T, FN_IDENTITY>(x, bias, other, out, e);
    case FN_GELU: return vectors<T, FN_GELU>(x, bias, other, out, e);
    case FN_GELU_TANH: return vectors<T, FN_GELU_TANH>(x, bias, other, out, e);
    case FN_SILU: return vectors<T, FN_SILU>(x, bias, other, out, e);
    case FN_CLIP: return vectors<T, FN_CLIP>(x, bias, other, out, e);
    default: return vectors<T, ANY_FUNCTION>(x, bias, other, out, e);
  }
}

#define BIAS_ACT(T, NAME)                                                                                           \
  extern "C" __global__ void __launch_bounds__(256) bias_act_##NAME(const T* x, const T* bias, const T* other,      \
                                                                    T* out, int rows, int n, int function, float p, \
                                                                    float q) {                                      \
    bias_act<T>(x, bias, other, out, {rows, n, function, p, q});                                                    \
  }
BIAS_ACT(float, f32)
BIAS_ACT(__half, f16)
BIAS_ACT(__nv_bfloat16, bf16)
