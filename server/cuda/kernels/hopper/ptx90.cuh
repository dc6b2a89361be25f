// Hopper's own instructions (sm_90a), one function each: barriers in shared memory, copies by tensor maps, products by
// a warpgroup, stores of matrices; and the fast reciprocal, which is older. Nothing else here. Addresses are of shared
// memory, as `shared_address` gives them.
#pragma once
#include "../common.cuh"

// What cuda.h calls CUtensorMap.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// A barrier in shared memory: a phase ends when `arrivals` have come, and all bytes that were announced.
__device__ __forceinline__ void make_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(barrier), "r"(arrivals) : "memory");
}

// After `make_barrier`, before the threads' barrier: the other threads and the copies see the barriers made.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async;" : : : "memory");
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(barrier) : "memory");
}

// Arrives, and announces bytes that copies will bring.
__device__ __forceinline__ void arrive_and_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" : : "r"(barrier), "r"(bytes) : "memory");
}

// Until the phase of this parity (0 for the first, then in turns) has ended; one before the first counts as ended.
__device__ __forceinline__ void wait_phase(uint32_t barrier, uint32_t parity) {
  asm volatile("{\n.reg .pred ended;\nAGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
               "@ended bra GO_ON;\nbra AGAIN;\nGO_ON:\n}"
               : : "r"(barrier), "r"(parity) : "memory");
}

__device__ __forceinline__ void prefetch_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" : : "l"(&map) : "memory");
}

// A box of the map's tensor, from column and row on, to shared memory; the barrier gets its bytes.
__device__ __forceinline__ void fetch_box(uint32_t to, const TensorMap& map, int column, int row, uint32_t barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
               : : "r"(to), "l"(&map), "r"(column), "r"(row), "r"(barrier) : "memory");
}

// Registers a thread: the warpgroup gives some back, or takes them.
template <int N> __device__ __forceinline__ void keep_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(N));
}
template <int N> __device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(N));
}

// Before the first product, and after others have written the sums' registers.
__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" : : : "memory"); }
__device__ __forceinline__ void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory"); }

// Until all groups of products but the last N are done.
template <int N> __device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(N) : "memory");
}

// The compiler moves no use of the sums across this: it does not know that products write them later.
template <int N> __device__ __forceinline__ void hold(float (&c)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(c[i]) : : "memory");
}

#define SUMS \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define FOUR_SUMS(i) "+f"(c[i]), "+f"(c[(i) + 1]), "+f"(c[(i) + 2]), "+f"(c[(i) + 3])
#define SIXTEEN_SUMS(i) FOUR_SUMS(i), FOUR_SUMS((i) + 4), FOUR_SUMS((i) + 8), FOUR_SUMS((i) + 12)

// c += a (64 x 16) times b (192 x 16, transposed), both in shared memory, by the whole warpgroup, later. Warp w has
// rows 16 w to 16 w + 15; lane l of it has, of each eight columns, c[0], c[1] and c[2], c[3] as `multiply` does.
template <typename T> __device__ __forceinline__ void multiply_later(float (&c)[96], uint64_t a, uint64_t b);
#define MULTIPLY_LATER(T, TYPE)                                                                                    \
  template <> __device__ __forceinline__ void multiply_later<T>(float (&c)[96], uint64_t a, uint64_t b) {          \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, 1, 0;\nwgmma.mma_async.sync.aligned.m64n192k16.f32." TYPE   \
                 "." TYPE " {" SUMS "}, %96, %97, add, 1, 1, 0, 0;\n}"                                             \
                 : SIXTEEN_SUMS(0), SIXTEEN_SUMS(16), SIXTEEN_SUMS(32), SIXTEEN_SUMS(48), SIXTEEN_SUMS(64),        \
                   SIXTEEN_SUMS(80)                                                                                \
                 : "l"(a), "l"(b) : "memory");                                                                     \
  }
MULTIPLY_LATER(__half, "f16")
MULTIPLY_LATER(__nv_bfloat16, "bf16")
#undef MULTIPLY_LATER
#undef SIXTEEN_SUMS
#undef FOUR_SUMS
#undef SUMS

// Four 8x8 matrices to shared memory; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void store_matrices(void* to, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               : : "r"(shared_address(to)), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// 1 / x within 1 ulp.
__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
