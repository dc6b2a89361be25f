// The functions of functions.cuh applied to many numbers a thread: a kernel chooses its loop by function once, so that
// the loop holds the code of that function alone.
#pragma once
#include "functions.cuh"

constexpr int ANY_FUNCTION = -1;

// One copy of the long switch, called: inlined for every number of a vector it would be some thousands of
// instructions.
__device__ __noinline__ float apply_any(int function, float x, float p, float q) { return apply(function, x, p, q); }

// F is the function when known at compile time.
template <int F> __device__ __forceinline__ float apply_known(int function, float x, float p, float q) {
  return F == ANY_FUNCTION ? apply_any(function, x, p, q) : apply(F, x, p, q);
}
