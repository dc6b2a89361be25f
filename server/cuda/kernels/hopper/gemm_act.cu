// out[m, n] = gelu(x[m, k] w[n, k]^T + bias[n]) for many rows, on Hopper (sm_90a): the exact GELU (by erf) where it
// costs next to nothing, under the next tile's products. f16 or bf16, sums in f32. `bias` may be null.
//
// Measured on an H100, m x n x k in f16, beside cuBLASLt's bare product: 4096 x 1536 x 384 13.4 us (10.8),
// 16384 x 1536 x 384 45.5 (38.1), 4096 x 3072 x 768 35.0 (33.8), 16384 x 3072 x 768 127 (117).
//
// Persistent: the grid is the number of multiprocessors or less, whatever the size; blocks of THREADS = 384 threads,
// BYTES = 224,512 of dynamic shared memory, one block a multiprocessor. The first two of a block's warpgroups multiply,
// each its own tiles of ROWS x COLUMNS, taking turns at the tensor cores: while one multiplies, the other finishes and
// stores its last tile. A thread of the third fetches slices of SLICE of k, up to STAGES ahead.
//
// Arguments: the tensor maps of x and w by value, 128 bytes each, aligned to 64; then bias, out, m, n, k. The host
// makes both maps with cuTensorMapEncodeTiled:
//   data type FLOAT16 or BFLOAT16, rank 2, address x (w), 16-byte aligned
//   globalDim {k, m} ({k, n}), globalStrides {2 k} bytes, elementStrides {1, 1}
//   boxDim {SLICE, ROWS} = {64, 128} for x, {SLICE, COLUMNS} = {64, 192} for w
//   interleave NONE, swizzle 128B, l2Promotion 256B, oobFill NONE (what lies outside is read as zeros)
// k > 0 and n > 0 are multiples of 8, m > 0 is any; `out` is 16-byte aligned, `bias` 4-byte. Rows from m on are not
// stored.
#include "../common.cuh"
#include "../ptx.cuh"
#include "../vector.cuh"
#include "ptx90.cuh"

// --- Sizes -----------------------------------------------------------------------------------------------------------

constexpr int THREADS = 384, MULTIPLIERS = 2, WARPS_A_GROUP = 4;
constexpr int ROWS = 128, COLUMNS = 192;   // of a tile
constexpr int HALVES = ROWS / 64;          // of a tile, each as many rows as a product makes
constexpr int SUMS = COLUMNS / 2;          // of a half, a thread
constexpr unsigned BAND = 8;               // tiles one below the other that are made before those beside them
constexpr int SLICE = 64;                  // of k: 128 bytes, the rows that the 128-byte swizzle is for
constexpr int SLICE_BYTES = 128;
constexpr int SWIZZLE_BYTES = 1024;        // what is swizzled together: eight rows
constexpr int CHUNK = 64;                  // columns that a warp stores at a time, 16 rows of them
constexpr int CHUNK_ROW = CHUNK * 2 + 16;  // bytes; eight rows' same 16 bytes lie in different banks

// Shared memory, in bytes: stages, chunks on their way out, barriers; and what aligns them.
constexpr int STAGES = 5;
constexpr int X_BYTES = ROWS * SLICE_BYTES, W_BYTES = COLUMNS * SLICE_BYTES, STAGE_BYTES = X_BYTES + W_BYTES;
constexpr int CHUNK_BYTES = 16 * CHUNK_ROW;
constexpr int CHUNKS_AT = STAGES * STAGE_BYTES;
constexpr int BARRIERS_AT = CHUNKS_AT + MULTIPLIERS * WARPS_A_GROUP * CHUNK_BYTES, BARRIERS_BYTES = 256;
constexpr int BYTES = SWIZZLE_BYTES + BARRIERS_AT + BARRIERS_BYTES;
static_assert(COLUMNS % CHUNK == 0 && COLUMNS <= 256, "tile");
static_assert(X_BYTES % SWIZZLE_BYTES == 0 && W_BYTES % SWIZZLE_BYTES == 0, "stages are swizzled in whole");
static_assert((2 * STAGES + MULTIPLIERS) * 8 <= BARRIERS_BYTES && BYTES <= 227 * 1024, "shared memory");

// The block's shared memory.
struct Memory {
  char* base;
  uint32_t address;

  __device__ __forceinline__ explicit Memory(char* shared) {
    const uint32_t at = shared_address(shared), up = -at % SWIZZLE_BYTES;
    base = shared + up;
    address = at + up;
  }
  __device__ __forceinline__ uint32_t x(int stage) const { return address + stage * STAGE_BYTES; }
  __device__ __forceinline__ uint32_t w(int stage) const { return x(stage) + X_BYTES; }
  __device__ __forceinline__ char* chunk(int warp) const { return base + CHUNKS_AT + warp * CHUNK_BYTES; }
  // A stage's slices have come (one arrival: who asked for them, and their bytes).
  __device__ __forceinline__ uint32_t full(int stage) const { return address + BARRIERS_AT + stage * 8; }
  // A stage has been used (arrivals: a multiplying group's warps).
  __device__ __forceinline__ uint32_t empty(int stage) const { return full(STAGES + stage); }
  // A group may multiply (arrivals: the other's warps).
  __device__ __forceinline__ uint32_t turn(int group) const { return full(2 * STAGES + group); }

  __device__ __forceinline__ void make_barriers() const {
    for (int s = 0; s < STAGES; s++) {
      make_barrier(full(s), 1);
      make_barrier(empty(s), WARPS_A_GROUP);
    }
    for (int g = 0; g < MULTIPLIERS; g++) make_barrier(turn(g), WARPS_A_GROUP);
    publish_barriers();
  }
};

// The stages in turn, each again and again.
struct Cursor {
  int stage;
  uint32_t parity;  // of the use

  // At the slice of this number, counted over all tiles of the block.
  __device__ __forceinline__ explicit Cursor(unsigned slice) : stage(slice % STAGES), parity(slice / STAGES & 1) {}
  __device__ __forceinline__ void next() {
    if (++stage == STAGES) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Which tiles there are, and which of them are this block's.
struct Tiles {
  unsigned rows, columns;  // of tiles
  unsigned first, step;

  __device__ __forceinline__ Tiles(int m, int n) {
    rows = m > 0 ? (m - 1) / ROWS + 1 : 0;
    columns = n > 0 ? (n - 1) / COLUMNS + 1 : 0;
    first = blockIdx.x;
    step = gridDim.x;
  }
  __device__ __forceinline__ unsigned count() const { return rows * columns; }

  // Where a tile begins. Bands of rows, so that what is multiplied at a time needs few rows of x and of w.
  __device__ __forceinline__ void place(unsigned tile, int& row, int& column) const {
    const unsigned band = tile / (BAND * columns), within = tile - band * BAND * columns;
    const unsigned band_rows = min(BAND, rows - band * BAND);
    row = static_cast<int>(band * BAND + within % band_rows) * ROWS;
    column = static_cast<int>(within / band_rows) * COLUMNS;
  }
};

// --- Fetching --------------------------------------------------------------------------------------------------------

// By one thread of the block.
__device__ __forceinline__ void fetch_tiles(const TensorMap& x, const TensorMap& w, const Memory& memory,
                                            const Tiles& tiles, int slices) {
  Cursor at(0);
  for (unsigned tile = tiles.first; tile < tiles.count(); tile += tiles.step) {
    int row, column;
    tiles.place(tile, row, column);
    for (int slice = 0; slice < slices; slice++) {
      const uint32_t full = memory.full(at.stage);
      wait_phase(memory.empty(at.stage), at.parity ^ 1);
      arrive_and_expect(full, STAGE_BYTES);
      fetch_box(memory.x(at.stage), x, slice * SLICE, row, full);
      fetch_box(memory.w(at.stage), w, slice * SLICE, column, full);
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

using Sums = float[HALVES][SUMS];

template <typename T>
__device__ __forceinline__ void multiply_slice(Sums& sums, const Memory& memory, int stage) {
  const uint64_t x = operand(memory.x(stage)), w = operand(memory.w(stage));
  begin_products();
#pragma unroll
  for (int k = 0; k < SLICE_BYTES; k += 32) {
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
      multiply_later<T>(sums[half], x + (half * 64 * SLICE_BYTES + k) / 16, w + k / 16);
    }
  }
  end_products();
}

// Adds a tile's product to `sums`; `first` is the number of its first slice. Then the other group may begin: all
// slices before its first have come by then, so that no barrier is two phases behind what it waits for.
template <typename T>
__device__ __forceinline__ void multiply_tile(Sums& sums, const Memory& memory, unsigned first, int slices, int group,
                                              int lane) {
  Cursor at(first);
#pragma unroll
  for (int half = 0; half < HALVES; half++) hold(sums[half]);
  wait_phase(memory.full(at.stage), at.parity);
  multiply_slice<T>(sums, memory, at.stage);
  int before = at.stage;
  for (int slice = 1; slice < slices; slice++) {
    at.next();
    wait_phase(memory.full(at.stage), at.parity);
    multiply_slice<T>(sums, memory, at.stage);
    wait_products<1>();
    if (lane == 0) arrive(memory.empty(before));
    before = at.stage;
  }
  if (lane == 0) arrive(memory.turn(group ^ 1));
  wait_products<0>();
  if (lane == 0) arrive(memory.empty(before));
#pragma unroll
  for (int half = 0; half < HALVES; half++) hold(sums[half]);
}

// --- What follows the product ----------------------------------------------------------------------------------------

// The sums begin as the bias of their columns.
template <typename T>
__device__ __forceinline__ void begin_with_bias(Sums& sums, const T* bias, int column, int n, int lane) {
#pragma unroll
  for (int j = 0; j < SUMS / 4; j++) {
    const int at = column + j * 8 + lane % 4 * 2;
    float2 v = make_float2(0.f, 0.f);
    if (bias && at < n) v = pair_to_floats(*reinterpret_cast<const Pair<T>*>(bias + at));
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
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
template <typename T, int FIRST>
__device__ __forceinline__ void finish_chunk(const float (&c)[SUMS], char* chunk, T* out, int row,
                                             int column, int m, int n, int lane) {
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

// A half of a tile, from this row and column on. The chunk's number is a template's argument: with that of an unrolled
// loop registers are spilled.
template <typename T, int CHUNK_NUMBER = 0>
__device__ __forceinline__ void finish_half(const float (&c)[SUMS], char* chunk, T* out, int row, int column, int m,
                                            int n, int lane) {
  finish_chunk<T, CHUNK_NUMBER * CHUNK / 2>(c, chunk, out, row, column + CHUNK_NUMBER * CHUNK, m, n, lane);
  if constexpr ((CHUNK_NUMBER + 1) * CHUNK < COLUMNS) {
    finish_half<T, CHUNK_NUMBER + 1>(c, chunk, out, row, column, m, n, lane);
  }
}

// A multiplying group's tiles: every second of the block's.
template <typename T>
__device__ __forceinline__ void make_tiles(const Memory& memory, const Tiles& tiles, const T* bias, T* out, int m,
                                           int n, int slices, int warp, int lane) {
  const int group = warp / WARPS_A_GROUP;
  uint32_t turn_parity = group ^ 1;  // the first group's first turn has come
  unsigned slice = group * slices;
  for (unsigned tile = tiles.first + group * tiles.step; tile < tiles.count(); tile += MULTIPLIERS * tiles.step) {
    int row, column;
    tiles.place(tile, row, column);
    Sums sums;
    begin_with_bias<T>(sums, bias, column, n, lane);
    wait_phase(memory.turn(group), turn_parity);
    turn_parity ^= 1;
    multiply_tile<T>(sums, memory, slice, slices, group, lane);
    slice += MULTIPLIERS * slices;
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
      finish_half<T>(sums[half], memory.chunk(warp), out, row + half * 64 + warp % WARPS_A_GROUP * 16, column, m, n,
                     lane);
    }
  }
}

// --- All -------------------------------------------------------------------------------------------------------------

template <typename T>
__device__ __forceinline__ void gemm_gelu(const TensorMap& x, const TensorMap& w, const T* bias, T* out, int m, int n,
                                          int k) {
  extern __shared__ char gemm_shared[];
  const Memory memory(gemm_shared);
  // The same number in all lanes, which the compiler is to know.
  const int warp = __shfl_sync(0xffffffffu, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
  if (warp == 0 && lane == 0) {
    prefetch_map(x);
    prefetch_map(w);
    memory.make_barriers();
  }
  __syncthreads();
  wait_for_inputs();
  let_next_start();

  const Tiles tiles(m, n);
  const int slices = (k + SLICE - 1) / SLICE;
  if (warp >= MULTIPLIERS * WARPS_A_GROUP) {
    keep_registers<40>();
    if (warp == MULTIPLIERS * WARPS_A_GROUP && lane == 0) fetch_tiles(x, w, memory, tiles, slices);
    __syncwarp();  // the warp ends as one
  } else {
    take_registers<232>();
    make_tiles<T>(memory, tiles, bias, out, m, n, slices, warp, lane);
  }
}

#define GEMM_GELU(NAME, T)                                                                                     \
  extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                     \
      NAME(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const T* bias, T* out,    \
           int m, int n, int k) {                                                                              \
    gemm_gelu<T>(x, w, bias, out, m, n, k);                                                                    \
  }
GEMM_GELU(gemm_gelu_f16, __half)
GEMM_GELU(gemm_gelu_bf16, __nv_bfloat16)
