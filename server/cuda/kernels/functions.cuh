// Functions of one number, by code: alone (pointwise.cu) and after sums (hot kernels). The codes are those of
// src/function.rs. `p` and `q` are parameters; a function without any ignores them. A code is the same for all
// threads of a launch, so that the switch costs next to nothing.
#pragma once
#include "common.cuh"

enum Function {
  FN_IDENTITY = 0,
  FN_EXP, FN_TANH, FN_ERF, FN_SIGMOID, FN_SOFTPLUS, FN_SOFTSIGN,
  FN_GELU, FN_GELU_TANH,
  FN_SILU,          // x sigmoid(p x)
  FN_MISH, FN_HARD_SWISH,
  FN_HARD_SIGMOID,  // clip(p x + q, 0, 1)
  FN_LEAKY_RELU,    // slope p
  FN_ELU,           // scale p
  FN_CLIP,          // between p and q; NaN stays
  FN_SQRT, FN_RECIPROCAL, FN_NEG, FN_ABS, FN_LOG, FN_FLOOR, FN_CEIL,
  FN_ROUND,         // halves to even
  FN_SIGN, FN_SIN, FN_COS, FN_TAN, FN_ASIN, FN_ACOS, FN_ATAN, FN_SINH, FN_COSH, FN_ASINH, FN_ACOSH, FN_ATANH,
  FN_SELU,          // alpha p, gamma q
  FN_CELU,          // alpha p
  FN_THRESHOLDED_RELU,  // above p
  FN_SHRINK,        // bias p, lambda q
};

__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }

__device__ __forceinline__ float apply(int function, float x, float p, float q) {
  switch (function) {
    case FN_EXP: return expf(x);
    case FN_TANH: return tanhf(x);
    case FN_ERF: return erff(x);
    case FN_SIGMOID: return sigmoid(x);
    case FN_SOFTPLUS: return x > 20.f ? x : log1pf(expf(x));
    case FN_SOFTSIGN: return x / (1.f + fabsf(x));
    case FN_GELU: return 0.5f * x * (1.f + erff(x * 0.70710678118654752f));
    case FN_GELU_TANH: return 0.5f * x * (1.f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case FN_SILU: return x * sigmoid(p * x);
    case FN_MISH: return x * tanhf(x > 20.f ? x : log1pf(expf(x)));
    case FN_HARD_SWISH: return x * fminf(fmaxf(x * (1.f / 6.f) + 0.5f, 0.f), 1.f);
    case FN_HARD_SIGMOID: return fminf(fmaxf(p * x + q, 0.f), 1.f);
    case FN_LEAKY_RELU: return x >= 0.f ? x : p * x;
    case FN_ELU: return x >= 0.f ? x : p * expm1f(x);
    case FN_CLIP: return isnan(x) ? x : fminf(fmaxf(x, p), q);
    case FN_SQRT: return sqrtf(x);
    case FN_RECIPROCAL: return 1.f / x;
    case FN_NEG: return -x;
    case FN_ABS: return fabsf(x);
    case FN_LOG: return logf(x);
    case FN_FLOOR: return floorf(x);
    case FN_CEIL: return ceilf(x);
    case FN_ROUND: return rintf(x);
    case FN_SIGN: return isnan(x) ? x : (x > 0.f) - (x < 0.f);
    case FN_SIN: return sinf(x);
    case FN_COS: return cosf(x);
    case FN_TAN: return tanf(x);
    case FN_ASIN: return asinf(x);
    case FN_ACOS: return acosf(x);
    case FN_ATAN: return atanf(x);
    case FN_SINH: return sinhf(x);
    case FN_COSH: return coshf(x);
    case FN_ASINH: return asinhf(x);
    case FN_ACOSH: return acoshf(x);
    case FN_ATANH: return atanhf(x);
    case FN_SELU: return x > 0.f ? q * x : q * p * expm1f(x);
    case FN_CELU: return fmaxf(x, 0.f) + fminf(p * expm1f(x / p), 0.f);
    case FN_THRESHOLDED_RELU: return x > p ? x : 0.f;
    case FN_SHRINK: return x < -q ? x + p : (x > q ? x - p : 0.f);
    default: return x;
  }
}
