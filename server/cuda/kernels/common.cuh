// What every kernel shares: number types, walks over strided tensors, programmatic dependent launch.
//
// Conventions. A kernel's name is what it does and, after the last underscore, the element type: f32, f16, bf16,
// i64, i32, u8 (ONNX's bool is u8, 0 or 1). Arguments are pointers, then numbers, then one struct of this file by
// value; the Rust side (src/walk.rs, src/hot.rs) has the same structs as #[repr(C)]. Strides and sizes count
// elements, not bytes. Arithmetic on f16 and bf16 is done in f32. A tensor has fewer than 2^31 elements.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

#define MAX_RANK 6

// A loop over `dims`, the last one innermost, with the strides of one to three tensors; a broadcast axis has
// stride 0, a reversed one a negative stride. The host has merged axes that lie together.
struct Walk1 { int rank; int dims[MAX_RANK]; int a[MAX_RANK]; };
struct Walk2 { int rank; int dims[MAX_RANK]; int a[MAX_RANK]; int b[MAX_RANK]; };
struct Walk3 { int rank; int dims[MAX_RANK]; int a[MAX_RANK]; int b[MAX_RANK]; int c[MAX_RANK]; };

// Programmatic dependent launch (sm_90 and later; nothing before). Every kernel calls `wait_for_inputs` before it
// touches global memory for the first time, reading or writing, and `let_next_start` right after: the next kernel
// of the stream may then be set up while this one runs, and waits itself until this one has ended.
__device__ __forceinline__ void wait_for_inputs() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void let_next_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

template <typename T> __device__ __forceinline__ float to_float(T v) { return static_cast<float>(v); }
template <> __device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
template <> __device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <typename T> __device__ __forceinline__ T from_float(float v) { return static_cast<T>(v); }
// A finite number stays finite: masks of -3.4e38 must not become infinite, whose sums are not numbers.
template <> __device__ __forceinline__ __half from_float(float v) {
  return __float2half_rn(isinf(v) || isnan(v) ? v : fminf(fmaxf(v, -65504.f), 65504.f));
}
template <> __device__ __forceinline__ __nv_bfloat16 from_float(float v) {
  const float most = 3.3895313892515355e38f;
  return __float2bfloat16_rn(isinf(v) ? v : (v > most ? most : (v < -most ? -most : v)));
}
