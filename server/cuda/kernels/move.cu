// Kernels that move elements and leave them as they are: strided copies (slices, expansions, concatenations,
// permutations), transposition of matrices, and the change from channels first to channels last.
//
// An element is its size in bytes only. A copy's output is given by the walk's `b` strides, and no two of its
// elements may lie at one place.
#include "loops.cuh"

// Copies with packs of N; the elements of a single axis that fill none are copied alone. False, with nothing
// done, if the walk has no such packs.
template <int N, typename U>
__device__ __forceinline__ bool copy_packs(const U* in, U* out, int n, const Walk2& walk) {
  if (walk.rank == 0 || !falls_into_packs<N>(walk)) return false;
  const int in_stride = walk.a[walk.rank - 1], out_stride = walk.b[walk.rank - 1];
  if (out_stride != 1 || !has_packs<N>(walk, walk.a, in) || !has_packs<N>(walk, walk.b, out)) return false;
  const unsigned packs = n / N;
  for (unsigned i = first_index(); i < packs; i += index_step()) {
    int from = 0, to = 0;
    each_axis(walk, i * N, [&](int axis, int at) { from += at * walk.a[axis]; to += at * walk.b[axis]; });
    store<N>(out + to, load_along<N>(in + from, in_stride));
  }
  for (unsigned i = packs * N + first_index(); i < n; i += index_step()) out[i] = in[static_cast<int>(i) * in_stride];
  return true;
}

template <typename U> __device__ __forceinline__ void copy(const U* in, U* out, int n, const Walk2& walk) {
  if (copy_packs<16 / sizeof(U)>(in, out, n, walk)) return;
  if constexpr (sizeof(U) <= 2) {
    if (copy_packs<4 / sizeof(U)>(in, out, n, walk)) return;
  }
  for (unsigned i = first_index(); i < n; i += index_step()) {
    int from = 0, to = 0;
    each_axis(walk, i, [&](int axis, int at) { from += at * walk.a[axis]; to += at * walk.b[axis]; });
    out[to] = in[from];
  }
}

#define TILE 32
#define TILE_LINES 8

// in [batch, rows, columns] to out [batch, columns, rows], both dense. Blocks of (32, 8) threads; tiles go
// through shared memory, whose extra column keeps the banks apart.
template <typename U>
__device__ __forceinline__ void transpose(const U* in, U* out, int batch, int rows, int columns) {
  __shared__ U tile[TILE][TILE + 1];
  for (unsigned b = blockIdx.z; b < batch; b += gridDim.z) {
    const size_t base = static_cast<size_t>(b) * rows * columns;
    for (unsigned row = blockIdx.y * TILE; row < rows; row += gridDim.y * TILE) {
      for (unsigned column = blockIdx.x * TILE; column < columns; column += gridDim.x * TILE) {
        for (unsigned line = threadIdx.y; line < TILE; line += TILE_LINES) {
          if (row + line < rows && column + threadIdx.x < columns) {
            tile[line][threadIdx.x] = in[base + static_cast<size_t>(row + line) * columns + column + threadIdx.x];
          }
        }
        __syncthreads();
        for (unsigned line = threadIdx.y; line < TILE; line += TILE_LINES) {
          if (column + line < columns && row + threadIdx.x < rows) {
            out[base + static_cast<size_t>(column + line) * rows + row + threadIdx.x] = tile[threadIdx.x][line];
          }
        }
        __syncthreads();
      }
    }
  }
}

// in [n, c, hw] to out [n, hw, c_out], channels from c on being 0. Blocks of (32, 8) threads. A tile's output is
// shared among the threads as one run, so that few channels still are written together.
template <typename T>
__device__ __forceinline__ void to_nhwc(const T* in, T* out, int n, int c, int hw, int c_out) {
  __shared__ T tile[TILE][TILE + 1];
  const unsigned thread = threadIdx.y * TILE + threadIdx.x;
  for (unsigned image = blockIdx.z; image < n; image += gridDim.z) {
    for (unsigned channel = blockIdx.y * TILE; channel < c_out; channel += gridDim.y * TILE) {
      const unsigned channels = min(static_cast<unsigned>(c_out) - channel, static_cast<unsigned>(TILE));
      for (unsigned pixel = blockIdx.x * TILE; pixel < hw; pixel += gridDim.x * TILE) {
        for (unsigned line = threadIdx.y; line < channels; line += TILE_LINES) {
          const bool inside = channel + line < c && pixel + threadIdx.x < hw;
          const size_t from = (static_cast<size_t>(image) * c + channel + line) * hw + pixel + threadIdx.x;
          tile[line][threadIdx.x] = inside ? in[from] : from_float<T>(0.f);
        }
        __syncthreads();
        for (unsigned i = thread; i < channels * TILE; i += TILE * TILE_LINES) {
          const unsigned x = i / channels, line = i - x * channels;
          if (pixel + x < hw) {
            out[(static_cast<size_t>(image) * hw + pixel + x) * c_out + channel + line] = tile[line][x];
          }
        }
        __syncthreads();
      }
    }
  }
}

// The same for images of at most 8 channels, which become 8: a thread reads a pixel's channels, each beside its
// neighbours' of the same plane, and writes them at once. out is 16-byte aligned; T has 2 bytes.
template <typename T> __device__ __forceinline__ void few_to_nhwc(const T* in, T* out, int n, int c, int hw) {
  for (unsigned i = first_index(); i < static_cast<unsigned>(n) * hw; i += index_step()) {
    const unsigned image = i / hw, pixel = i - image * hw;
    const T* from = in + static_cast<size_t>(image) * c * hw + pixel;
    Pack<T, 8> channels;
#pragma unroll
    for (int channel = 0; channel < 8; ++channel) {
      channels.at[channel] = channel < c ? from[static_cast<size_t>(channel) * hw] : from_float<T>(0.f);
    }
    store(out + static_cast<size_t>(i) * 8, channels);
  }
}

#define COPY(SIZE, U)                                                                                           \
  extern "C" __global__ void copy_##SIZE(const U* in, U* out, int n, const __grid_constant__ Walk2 walk) {       \
    begin();                                                                                                     \
    copy(in, out, n, walk);                                                                                      \
  }
FOR_SIZES(COPY)

#define TRANSPOSE(SIZE, U)                                                                                      \
  extern "C" __global__ void transpose_##SIZE(const U* in, U* out, int batch, int rows, int columns) {           \
    begin();                                                                                                     \
    transpose(in, out, batch, rows, columns);                                                                    \
  }
FOR_SIZES(TRANSPOSE)

#define TO_NHWC(NAME, T)                                                                                        \
  extern "C" __global__ void to_nhwc_##NAME(const T* in, T* out, int n, int c, int hw, int c_out) {              \
    begin();                                                                                                     \
    to_nhwc(in, out, n, c, hw, c_out);                                                                           \
  }
FOR_FLOATS(TO_NHWC)

#define FEW_TO_NHWC(NAME, T)                                                                                    \
  extern "C" __global__ void few_to_nhwc_##NAME(const T* in, T* out, int n, int c, int hw) {                     \
    begin();                                                                                                     \
    few_to_nhwc(in, out, n, c, hw);                                                                              \
  }
FEW_TO_NHWC(f16, __half)
FEW_TO_NHWC(bf16, __nv_bfloat16)
