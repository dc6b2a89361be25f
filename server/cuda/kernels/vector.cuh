// Numbers 16 bytes at a time, and sums over a warp. Every pointer given here is 16-byte aligned.
// Rounding to f16 is the plain one (beyond 65504 is infinite): these are results of sums and products, not masks.
#pragma once
#include "common.cuh"

template <typename T> constexpr int LANES = 16 / static_cast<int>(sizeof(T));  // numbers in 16 bytes

template <typename T> struct PairOf;
template <> struct PairOf<__half> { using type = __half2; };
template <> struct PairOf<__nv_bfloat16> { using type = __nv_bfloat162; };
template <typename T> using Pair = typename PairOf<T>::type;

__device__ __forceinline__ float2 pair_to_floats(__half2 v) { return __half22float2(v); }
__device__ __forceinline__ float2 pair_to_floats(__nv_bfloat162 v) { return __bfloat1622float2(v); }

template <typename T> __device__ __forceinline__ Pair<T> pair_from_floats(float a, float b);
template <> __device__ __forceinline__ __half2 pair_from_floats<__half>(float a, float b) { return __floats2half2_rn(a, b); }
template <> __device__ __forceinline__ __nv_bfloat162 pair_from_floats<__nv_bfloat16>(float a, float b) {
  return __floats2bfloat162_rn(a, b);
}

// Two numbers in 32 bits, the first in the low half.
template <typename T> __device__ __forceinline__ uint32_t pack(float a, float b) {
  const Pair<T> v = pair_from_floats<T>(a, b);
  return *reinterpret_cast<const uint32_t*>(&v);
}

template <typename T> __device__ __forceinline__ uint4 load_raw(const T* p) { return *reinterpret_cast<const uint4*>(p); }

// 16 bytes as floats. All bits zero is 0 in every type.
template <typename T> __device__ __forceinline__ void unpack(uint4 raw, float (&v)[LANES<T>]) {
  if constexpr (sizeof(T) == 4) {
    v[0] = __uint_as_float(raw.x); v[1] = __uint_as_float(raw.y);
    v[2] = __uint_as_float(raw.z); v[3] = __uint_as_float(raw.w);
  } else {
    const Pair<T>* pairs = reinterpret_cast<const Pair<T>*>(&raw);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 f = pair_to_floats(pairs[i]);
      v[2 * i] = f.x;
      v[2 * i + 1] = f.y;
    }
  }
}

template <typename T> __device__ __forceinline__ void store_vector(T* p, const float (&v)[LANES<T>]) {
  uint4 raw;
  if constexpr (sizeof(T) == 4) {
    raw = make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
  } else {
    raw = make_uint4(pack<T>(v[0], v[1]), pack<T>(v[2], v[3]), pack<T>(v[4], v[5]), pack<T>(v[6], v[7]));
  }
  *reinterpret_cast<uint4*>(p) = raw;
}

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}
