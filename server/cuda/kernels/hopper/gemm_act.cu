// out[m, n] = gelu(x[m, k] w[n, k]^T + bias[n]) for many rows, on Hopper (sm_90a): the exact GELU (by erf) where it
// costs next to nothing, under the next tile's products. f16 or bf16, sums in f32. `bias` may be null.
//
// Kernels: gemm_gelu_* (tiles of 128 x 192, each block for itself), gemm_gelu_pair_* (the same tiles; the two blocks of
// a cluster have tiles one below the other and each fetches one half of w's tile for both), gemm_gelu_small_pair_*
// (128 x 128, also in pairs).
//
// Persistent: the grid is the number of multiprocessors or less, whatever the size (of pairs: an even number, at best
// twice what cuOccupancyMaxActiveClusters says); blocks of THREADS = 384 threads, dynamic shared memory Shape::BYTES
// (224,512 for 128 x 192, 216,320 for 128 x 128), one block a multiprocessor. The first two of a block's warpgroups
// multiply, each its own tiles, taking turns at the tensor cores: while one multiplies, the other finishes and stores
// its last tile. A thread of the third fetches slices of SLICE of k, up to STAGES ahead.
//
// Arguments: the tensor maps of x and w by value, 128 bytes each, aligned to 64; then bias, out, m, n, k. The host
// makes both maps with cuTensorMapEncodeTiled:
//   data type FLOAT16 or BFLOAT16, rank 2, address x (w), 16-byte aligned
//   globalDim {k, m} ({k, n}), globalStrides {2 k} bytes, elementStrides {1, 1}
//   boxDim {SLICE, ROWS} = {64, 128} for x; {SLICE, Shape::W_BOX} for w: {64, 192} for gemm_gelu, {64, 96} for
//   gemm_gelu_pair, {64, 64} for gemm_gelu_small_pair
//   interleave NONE, swizzle 128B, l2Promotion 256B, oobFill NONE (what lies outside is read as zeros)
// k > 0 and n > 0 are multiples of 8, m > 0 is any; `out` is 16-byte aligned, `bias` 4-byte. Rows from m on are not
// stored.
#include "../common.cuh"
#include "../ptx.cuh"
#include "../vector.cuh"

// What cuda.h calls CUtensorMap.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

// --- Instructions ----------------------------------------------------------------------------------------------------
// Of sm_90a, one function each. Addresses are of shared memory, as `shared_address` gives them.

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// A barrier in shared memory: a phase ends when `arrivals` have come, and all bytes that were announced.
__device__ __forceinline__ void make_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(barrier), "r"(arrivals) : "memory");
}

// After `make_barrier`, before the threads' barrier: other blocks and copies see the barriers made.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async;" : : : "memory");
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(barrier) : "memory");
}

// At the same barrier of block `rank` of the cluster.
__device__ __forceinline__ void arrive_at_block(uint32_t barrier, uint32_t rank) {
  asm volatile("{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
               "mbarrier.arrive.shared::cluster.b64 _, [there];\n}"
               : : "r"(barrier), "r"(rank) : "memory");
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

// The same to both blocks of a cluster of two, where each one's barrier gets the bytes.
__device__ __forceinline__ void fetch_box_for_two(uint32_t to, const TensorMap& map, int column, int row,
                                                  uint32_t barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
               "[%0], [%1, {%2, %3}], [%4], %5;"
               : : "r"(to), "l"(&map), "r"(column), "r"(row), "r"(barrier), "h"(static_cast<uint16_t>(3)) : "memory");
}

__device__ __forceinline__ uint32_t block_of_cluster() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// A barrier of all threads of the cluster.
__device__ __forceinline__ void meet_cluster() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" : : : "memory");
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

#define SUMS_64 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define SUMS_96 \
  SUMS_64 ", " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define FOUR_SUMS(i) "+f"(c[i]), "+f"(c[(i) + 1]), "+f"(c[(i) + 2]), "+f"(c[(i) + 3])
#define SIXTEEN_SUMS(i) FOUR_SUMS(i), FOUR_SUMS((i) + 4), FOUR_SUMS((i) + 8), FOUR_SUMS((i) + 12)
#define OPERANDS_64 SIXTEEN_SUMS(0), SIXTEEN_SUMS(16), SIXTEEN_SUMS(32), SIXTEEN_SUMS(48)
#define OPERANDS_96 OPERANDS_64, SIXTEEN_SUMS(64), SIXTEEN_SUMS(80)

// c += a (64 x 16) times b (2 SUMS x 16, transposed), both in shared memory, by the whole warpgroup, later. Warp w has
// rows 16 w to 16 w + 15; lane l of it has, of each eight columns, c[0], c[1] and c[2], c[3] as `multiply` does.
template <typename T, int SUMS>
__device__ __forceinline__ void multiply_later(float (&c)[SUMS], uint64_t a, uint64_t b);
#define MULTIPLY_LATER(T, SUMS, SHAPE, A, B)                                                                     \
  template <> __device__ __forceinline__ void multiply_later<T, SUMS>(float (&c)[SUMS], uint64_t a, uint64_t b) { \
    asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, 1, 0;\nwgmma.mma_async.sync.aligned." SHAPE               \
                 " {" SUMS_##SUMS "}, " A ", " B ", add, 1, 1, 0, 0;\n}"                                         \
                 : OPERANDS_##SUMS : "l"(a), "l"(b) : "memory");                                                 \
  }
MULTIPLY_LATER(__half, 64, "m64n128k16.f32.f16.f16", "%64", "%65")
MULTIPLY_LATER(__half, 96, "m64n192k16.f32.f16.f16", "%96", "%97")
MULTIPLY_LATER(__nv_bfloat16, 64, "m64n128k16.f32.bf16.bf16", "%64", "%65")
MULTIPLY_LATER(__nv_bfloat16, 96, "m64n192k16.f32.bf16.bf16", "%96", "%97")

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

// --- Shapes ----------------------------------------------------------------------------------------------------------

constexpr int THREADS = 384, MULTIPLIERS = 2, WARPS_A_GROUP = 4;
constexpr int ROWS = 128;          // of a tile
constexpr int SLICE = 64;          // of k: 128 bytes, the rows that the 128-byte swizzle is for
constexpr int SLICE_BYTES = 128;
constexpr int SWIZZLE_BYTES = 1024;  // what is swizzled together: eight rows
constexpr int CHUNK = 64;          // columns that a warp stores at a time, 16 rows of them
constexpr int CHUNK_ROW = CHUNK * 2 + 16;  // bytes; eight rows' same 16 bytes lie in different banks
constexpr int CHUNK_BYTES = 16 * CHUNK_ROW;
constexpr int BAND = 8;            // tiles one below the other that are made before those beside them

template <int COLUMNS_, int BLOCKS_, int STAGES_> struct Shape {
  static constexpr int COLUMNS = COLUMNS_, BLOCKS = BLOCKS_, STAGES = STAGES_;
  static constexpr int SUMS = COLUMNS / 2;         // of 64 rows, a thread
  static constexpr int W_BOX = COLUMNS / BLOCKS;   // rows of w that a block fetches
  static constexpr int X_BYTES = ROWS * SLICE_BYTES, W_BYTES = COLUMNS * SLICE_BYTES, STAGE_BYTES = X_BYTES + W_BYTES;
  static constexpr int CHUNKS_AT = STAGES * STAGE_BYTES;
  static constexpr int BARRIERS_AT = CHUNKS_AT + MULTIPLIERS * WARPS_A_GROUP * CHUNK_BYTES;
  static constexpr int BYTES = SWIZZLE_BYTES + BARRIERS_AT + 256;  // the first, to align the rest
  static_assert(COLUMNS % CHUNK == 0 && W_BOX * SLICE_BYTES % SWIZZLE_BYTES == 0 && W_BOX <= 256, "tile");
  static_assert((2 * STAGES + MULTIPLIERS) * 8 <= 256 && BYTES <= 227 * 1024, "shared memory");
};

// The block's shared memory: stages, chunks on their way out, barriers.
template <typename S> struct Memory {
  char* base;
  uint32_t address;

  __device__ __forceinline__ explicit Memory(char* shared) {
    const uint32_t at = shared_address(shared), up = -at % SWIZZLE_BYTES;
    base = shared + up;
    address = at + up;
  }
  __device__ __forceinline__ uint32_t x(int stage) const { return address + stage * S::STAGE_BYTES; }
  __device__ __forceinline__ uint32_t w(int stage) const { return x(stage) + S::X_BYTES; }
  __device__ __forceinline__ char* chunk(int warp) const { return base + S::CHUNKS_AT + warp * CHUNK_BYTES; }
  // A stage's slices have come (one arrival: who asked for them, and their bytes).
  __device__ __forceinline__ uint32_t full(int stage) const { return address + S::BARRIERS_AT + stage * 8; }
  // A stage has been used (arrivals: a multiplying group's warps, in each block).
  __device__ __forceinline__ uint32_t empty(int stage) const { return full(S::STAGES + stage); }
  // A group may multiply (arrivals: the other's warps).
  __device__ __forceinline__ uint32_t turn(int group) const { return full(2 * S::STAGES + group); }

  __device__ __forceinline__ void make_barriers() const {
    for (int s = 0; s < S::STAGES; s++) {
      make_barrier(full(s), 1);
      make_barrier(empty(s), WARPS_A_GROUP * S::BLOCKS);
    }
    for (int g = 0; g < MULTIPLIERS; g++) make_barrier(turn(g), WARPS_A_GROUP);
    publish_barriers();
  }
};

// The stages in turn, each again and again.
template <typename S> struct Cursor {
  int stage;
  uint32_t parity;  // of the use

  // At the slice of this number, counted over all tiles of the block.
  __device__ __forceinline__ explicit Cursor(unsigned slice)
      : stage(slice % S::STAGES), parity(slice / S::STAGES & 1) {}
  __device__ __forceinline__ void next() {
    if (++stage == S::STAGES) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Which tiles there are, and which of them are this block's. The blocks of a cluster have tiles one below the other.
template <typename S> struct Tiles {
  unsigned rows, columns;  // of tiles; a row is that of a cluster's
  unsigned first, step;
  int rank;

  __device__ __forceinline__ Tiles(int m, int n) {
    rows = m > 0 ? (m - 1) / (ROWS * S::BLOCKS) + 1 : 0;
    columns = n > 0 ? (n - 1) / S::COLUMNS + 1 : 0;
    first = blockIdx.x / S::BLOCKS;
    step = gridDim.x / S::BLOCKS;
    rank = S::BLOCKS > 1 ? block_of_cluster() : 0;
  }
  __device__ __forceinline__ unsigned count() const { return rows * columns; }

  // Where a tile begins. Bands of rows, so that what is multiplied at a time needs few rows of x and of w.
  __device__ __forceinline__ void place(unsigned tile, int& row, int& column) const {
    constexpr unsigned MOST = BAND / S::BLOCKS;
    const unsigned band = tile / (MOST * columns), within = tile - band * MOST * columns;
    const unsigned band_rows = min(MOST, rows - band * MOST);
    row = static_cast<int>((band * MOST + within % band_rows) * S::BLOCKS + rank) * ROWS;
    column = static_cast<int>(within / band_rows) * S::COLUMNS;
  }
};

// --- Fetching --------------------------------------------------------------------------------------------------------

// By one thread of each block.
template <typename S>
__device__ __forceinline__ void fetch_tiles(const TensorMap& x, const TensorMap& w, const Memory<S>& memory,
                                            const Tiles<S>& tiles, int slices) {
  Cursor<S> at(0);
  for (unsigned tile = tiles.first; tile < tiles.count(); tile += tiles.step) {
    int row, column;
    tiles.place(tile, row, column);
    for (int slice = 0; slice < slices; slice++) {
      const uint32_t full = memory.full(at.stage);
      wait_phase(memory.empty(at.stage), at.parity ^ 1);
      arrive_and_expect(full, S::STAGE_BYTES);
      fetch_box(memory.x(at.stage), x, slice * SLICE, row, full);
      if constexpr (S::BLOCKS == 1) {
        fetch_box(memory.w(at.stage), w, slice * SLICE, column, full);
      } else {
        const int half = tiles.rank * S::W_BOX;
        fetch_box_for_two(memory.w(at.stage) + half * SLICE_BYTES, w, slice * SLICE, column + half, full);
      }
      at.next();
    }
  }
}

// --- Multiplying -----------------------------------------------------------------------------------------------------

// How a product finds its operand: rows of 128 bytes, swizzled, eight of them in SWIZZLE_BYTES.
__device__ __forceinline__ uint64_t operand(uint32_t address) {
  constexpr uint64_t SWIZZLE_128 = 1ull << 62, NEXT_EIGHT_ROWS = static_cast<uint64_t>(SWIZZLE_BYTES / 16) << 32;
  return SWIZZLE_128 | NEXT_EIGHT_ROWS | 1ull << 16 | (address & 0x3ffff) >> 4;
}

template <typename S> using Sums = float[ROWS / 64][S::SUMS];

template <typename T, typename S>
__device__ __forceinline__ void multiply_slice(Sums<S>& sums, const Memory<S>& memory, int stage) {
  const uint64_t x = operand(memory.x(stage)), w = operand(memory.w(stage));
  begin_products();
#pragma unroll
  for (int k = 0; k < SLICE_BYTES; k += 32) {
#pragma unroll
    for (int half = 0; half < ROWS / 64; half++) {
      multiply_later<T>(sums[half], x + (half * 64 * SLICE_BYTES + k) / 16, w + k / 16);
    }
  }
  end_products();
}

// By one lane of each warp: the stage may be filled again, in both blocks of a pair.
template <typename S>
__device__ __forceinline__ void release_stage(const Memory<S>& memory, const Tiles<S>& tiles, int stage) {
  arrive(memory.empty(stage));
  if constexpr (S::BLOCKS > 1) arrive_at_block(memory.empty(stage), tiles.rank ^ 1);
}

// Adds a tile's product to `sums`; `first` is the number of its first slice. Then the other group may begin: all
// slices before its first have come by then, so that no barrier is two phases behind what it waits for.
template <typename T, typename S>
__device__ __forceinline__ void multiply_tile(Sums<S>& sums, const Memory<S>& memory, const Tiles<S>& tiles,
                                              unsigned first, int slices, int group, int lane) {
  Cursor<S> at(first);
#pragma unroll
  for (int half = 0; half < ROWS / 64; half++) hold(sums[half]);
  wait_phase(memory.full(at.stage), at.parity);
  multiply_slice<T, S>(sums, memory, at.stage);
  int before = at.stage;
  for (int slice = 1; slice < slices; slice++) {
    at.next();
    wait_phase(memory.full(at.stage), at.parity);
    multiply_slice<T, S>(sums, memory, at.stage);
    wait_products<1>();
    if (lane == 0) release_stage(memory, tiles, before);
    before = at.stage;
  }
  if (lane == 0) arrive(memory.turn(group ^ 1));
  wait_products<0>();
  if (lane == 0) release_stage(memory, tiles, before);
#pragma unroll
  for (int half = 0; half < ROWS / 64; half++) hold(sums[half]);
}

// --- What follows the product ----------------------------------------------------------------------------------------

// The sums begin as the bias of their columns.
template <typename T, typename S>
__device__ __forceinline__ void begin_with_bias(Sums<S>& sums, const T* bias, int column, int n, int lane) {
#pragma unroll
  for (int j = 0; j < S::SUMS / 4; j++) {
    const int at = column + j * 8 + lane % 4 * 2;
    float2 v = make_float2(0.f, 0.f);
    if (bias && at < n) v = pair_to_floats(*reinterpret_cast<const Pair<T>*>(bias + at));
#pragma unroll
    for (int half = 0; half < ROWS / 64; half++) {
      sums[half][4 * j] = sums[half][4 * j + 2] = v.x;
      sums[half][4 * j + 1] = sums[half][4 * j + 3] = v.y;
    }
  }
}

// 1 + 2^(-x p(x^2)), whose reciprocal is the share of the normal distribution below x. p is the polynomial of least
// error of x times that share: 3.1e-6. It is positive, so that all is well far outside of what it was fitted to; the
// upper bound leaves room for the product of two (and x = -1e12 gives -1e-6).
__device__ __forceinline__ float one_by_share_below(float x) {
  const float u = x * x;
  float p = fmaf(u, -3.2103766e-6f, 8.7909756e-5f);
  p = fmaf(u, p, 3.6204775e-4f);
  p = fmaf(u, p, -0.10522998f);
  p = fmaf(u, p, -2.3020438f);
  return 1.f + exp2_fast(fminf(x * p, 60.f));
}

// x/2 (1 + erf(x / sqrt 2)) of two numbers, with one reciprocal for both: of its units there are fewest.
__device__ __forceinline__ float2 gelu(float x, float y) {
  const float a = one_by_share_below(x), b = one_by_share_below(y);
  const float r = reciprocal(a * b);
  return make_float2(x * (b * r), y * (a * r));
}

// A warp's 16 rows of CHUNK columns, the sums `c` from FIRST on: through shared memory, so that 16 bytes of a row lie
// in one lane and 128 are stored together.
template <typename T, int FIRST, int SUMS>
__device__ __forceinline__ void finish_chunk(const float (&c)[SUMS], char* chunk, T* out, int row, int column, int m,
                                             int n, int lane) {
  char* to = chunk + lane % 16 * CHUNK_ROW + lane / 16 * 16;
#pragma unroll
  for (int j = 0; j < CHUNK / 16; j++) {
    uint32_t packed[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 v = gelu(c[FIRST + j * 8 + i * 2], c[FIRST + j * 8 + i * 2 + 1]);
      packed[i] = pack<T>(v.x, v.y);
    }
    store_matrices(to + j * 32, packed[0], packed[1], packed[2], packed[3]);
  }
  __syncwarp();
  const int lane_column = column + lane % 8 * 8;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int chunk_row = i * 4 + lane / 8;
    const uint4 v = *reinterpret_cast<const uint4*>(chunk + chunk_row * CHUNK_ROW + lane % 8 * 16);
    if (row + chunk_row < m && lane_column < n) {
      *reinterpret_cast<uint4*>(out + static_cast<size_t>(row + chunk_row) * n + lane_column) = v;
    }
  }
  __syncwarp();  // all lanes have read the chunk
}

// A half of a tile, from this row and column on.
template <typename T, typename S, int CHUNK_NUMBER = 0>
__device__ __forceinline__ void finish_half(const float (&c)[S::SUMS], char* chunk, T* out, int row, int column, int m,
                                            int n, int lane) {
  finish_chunk<T, CHUNK_NUMBER * CHUNK / 2>(c, chunk, out, row, column + CHUNK_NUMBER * CHUNK, m, n, lane);
  if constexpr ((CHUNK_NUMBER + 1) * CHUNK < S::COLUMNS) {
    finish_half<T, S, CHUNK_NUMBER + 1>(c, chunk, out, row, column, m, n, lane);
  }
}

// A multiplying group's tiles: every second of the block's.
template <typename T, typename S>
__device__ __forceinline__ void make_tiles(const Memory<S>& memory, const Tiles<S>& tiles, const T* bias, T* out, int m,
                                           int n, int slices, int warp, int lane) {
  const int group = warp / WARPS_A_GROUP;
  uint32_t turn_parity = group ^ 1;  // the first group's first turn has come
  unsigned slice = group * slices;
  for (unsigned tile = tiles.first + group * tiles.step; tile < tiles.count(); tile += MULTIPLIERS * tiles.step) {
    int row, column;
    tiles.place(tile, row, column);
    Sums<S> sums;
    begin_with_bias<T, S>(sums, bias, column, n, lane);
    wait_phase(memory.turn(group), turn_parity);
    turn_parity ^= 1;
    multiply_tile<T, S>(sums, memory, tiles, slice, slices, group, lane);
    slice += MULTIPLIERS * slices;
#pragma unroll
    for (int half = 0; half < ROWS / 64; half++) {
      finish_half<T, S>(sums[half], memory.chunk(warp), out, row + half * 64 + warp % WARPS_A_GROUP * 16, column, m, n,
                        lane);
    }
  }
}

// --- All -------------------------------------------------------------------------------------------------------------

template <typename T, typename S>
__device__ __forceinline__ void gemm_gelu(const TensorMap& x, const TensorMap& w, const T* bias, T* out, int m, int n,
                                          int k) {
  extern __shared__ char gemm_shared[];
  const Memory<S> memory(gemm_shared);
  // The same number in all lanes, which the compiler is to know.
  const int warp = __shfl_sync(0xffffffffu, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
  if (warp == 0 && lane == 0) {
    prefetch_map(x);
    prefetch_map(w);
    memory.make_barriers();
  }
  if constexpr (S::BLOCKS > 1) meet_cluster();
  else __syncthreads();
  wait_for_inputs();
  let_next_start();

  const Tiles<S> tiles(m, n);
  const int slices = (k + SLICE - 1) / SLICE;
  if (warp >= MULTIPLIERS * WARPS_A_GROUP) {
    keep_registers<40>();
    if (warp == MULTIPLIERS * WARPS_A_GROUP && lane == 0) fetch_tiles<S>(x, w, memory, tiles, slices);
    __syncwarp();
    if constexpr (S::BLOCKS > 1) meet_cluster();  // the other block still writes and arrives here
  } else {
    take_registers<232>();
    make_tiles<T, S>(memory, tiles, bias, out, m, n, slices, warp, lane);
    if constexpr (S::BLOCKS > 1) meet_cluster();
  }
}

#define GEMM_GELU(NAME, CLUSTER, SHAPE, T)                                                                    \
  extern "C" __global__ void CLUSTER __launch_bounds__(THREADS, 1)                                            \
      NAME(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const T* bias, T* out,   \
           int m, int n, int k) {                                                                             \
    gemm_gelu<T, SHAPE>(x, w, bias, out, m, n, k);                                                            \
  }
#define GEMM_GELU_BOTH(NAME, CLUSTER, SHAPE)         \
  GEMM_GELU(NAME##_f16, CLUSTER, SHAPE, __half)      \
  GEMM_GELU(NAME##_bf16, CLUSTER, SHAPE, __nv_bfloat16)

using Alone = Shape<192, 1, 5>;
using PairOfBlocks = Shape<192, 2, 5>;
using SmallPair = Shape<128, 2, 6>;
GEMM_GELU_BOTH(gemm_gelu, , Alone)
GEMM_GELU_BOTH(gemm_gelu_pair, __cluster_dims__(2, 1, 1), PairOfBlocks)
GEMM_GELU_BOTH(gemm_gelu_small_pair, __cluster_dims__(2, 1, 1), SmallPair)
