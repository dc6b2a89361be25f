// The row kernel behind norm.cu and embed.cu: the sum of up to three rows of numbers, normalised.
//
// Blocks have 128 threads. A width that is a multiple of 8 and at most 1024 gets a warp a row, four rows a block
// (grid ceil(rows / 4)); any other gets a block a row (grid rows). Multiples of 8 up to 4096 stay in registers
// between the passes (mean, then the variance about it); other widths are read again for every pass, each number by
// the same thread, so that `out` may be one of the summands either way. Rows of the register path are 16-byte aligned.
#pragma once
#include "vector.cuh"

constexpr int ROW_THREADS = 128;
constexpr int ROW_BLOCKS = 3;  // a multiprocessor's registers must be enough for so many

enum Normalisation { SUM_ONLY, LAYER_NORM, RMS_NORM };

template <typename T> struct Row {
  const T* part[3];  // summands; null is zeros
  const T* scale;    // unread by SUM_ONLY
  const T* shift;    // null is zeros
  T* out;
  int width;
  float epsilon;
  Normalisation how;
};

__device__ __forceinline__ bool warp_a_row(int width) { return width % 8 == 0 && width <= 1024; }

// The row this thread works on; it may lie beyond the last, for whole warps in the warp case and never in the other.
__device__ __forceinline__ int my_row(int width) {
  return warp_a_row(width) ? blockIdx.x * (ROW_THREADS / 32) + threadIdx.x / 32 : blockIdx.x;
}

// The sum over TEAM threads (a warp or the block), the same in all of them.
template <int TEAM> __device__ __forceinline__ float team_sum(float v) {
  v = warp_sum(v);
  if constexpr (TEAM > 32) {
    __shared__ float parts[ROW_THREADS / 32];
    __syncthreads();  // the sum before this one has been read
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = parts[0] + parts[1] + parts[2] + parts[3];
  }
  return v;
}

// NV vectors of 16 bytes a thread. All loads are issued before the first is needed.
template <typename T, int TEAM, int NV> __device__ __forceinline__ void normalise_in_registers(const Row<T>& row) {
  constexpr int N = LANES<T>;
  const int lane = threadIdx.x % TEAM, vectors = row.width / N;
  uint4 raw[3][NV];
#pragma unroll
  for (int p = 0; p < 3; p++) {
#pragma unroll
    for (int i = 0; i < NV; i++) {
      const int k = lane + i * TEAM;
      raw[p][i] = make_uint4(0, 0, 0, 0);
      if (row.part[p] && k < vectors) raw[p][i] = load_raw(row.part[p] + k * N);
    }
  }
  uint4 scale[NV], shift[NV];
#pragma unroll
  for (int i = 0; i < NV; i++) {
    const int k = lane + i * TEAM;
    scale[i] = shift[i] = make_uint4(0, 0, 0, 0);
    if (row.how != SUM_ONLY && k < vectors) {
      scale[i] = load_raw(row.scale + k * N);
      if (row.shift) shift[i] = load_raw(row.shift + k * N);
    }
  }
  float v[NV][N], sum = 0.f;
#pragma unroll
  for (int i = 0; i < NV; i++) {
    float b[N], c[N];
    unpack<T>(raw[0][i], v[i]);
    unpack<T>(raw[1][i], b);
    unpack<T>(raw[2][i], c);
#pragma unroll
    for (int j = 0; j < N; j++) {
      v[i][j] += b[j] + c[j];
      sum += v[i][j];
    }
  }
  if (row.how != SUM_ONLY) {
    const float mean = row.how == LAYER_NORM ? team_sum<TEAM>(sum) / row.width : 0.f;
    float squares = 0.f;
#pragma unroll
    for (int i = 0; i < NV; i++) {
      if (lane + i * TEAM < vectors) {
#pragma unroll
        for (int j = 0; j < N; j++) {
          v[i][j] -= mean;
          squares += v[i][j] * v[i][j];
        }
      }
    }
    const float factor = rsqrtf(team_sum<TEAM>(squares) / row.width + row.epsilon);
#pragma unroll
    for (int i = 0; i < NV; i++) {
      float g[N], s[N];
      unpack<T>(scale[i], g);
      unpack<T>(shift[i], s);
#pragma unroll
      for (int j = 0; j < N; j++) v[i][j] = v[i][j] * factor * g[j] + s[j];
    }
  }
#pragma unroll
  for (int i = 0; i < NV; i++) {
    const int k = lane + i * TEAM;
    if (k < vectors) store_vector(row.out + k * N, v[i]);
  }
}

// Any width, a number at a time, read again for every pass.
template <typename T> __device__ __forceinline__ void normalise_in_passes(const Row<T>& row) {
  const auto at = [&row](int i) {
    float v = 0.f;
#pragma unroll
    for (int p = 0; p < 3; p++) {
      if (row.part[p]) v += to_float(row.part[p][i]);
    }
    return v;
  };
  float mean = 0.f, factor = 1.f;
  if (row.how == LAYER_NORM) {
    float sum = 0.f;
    for (int i = threadIdx.x; i < row.width; i += ROW_THREADS) sum += at(i);
    mean = team_sum<ROW_THREADS>(sum) / row.width;
  }
  if (row.how != SUM_ONLY) {
    float squares = 0.f;
    for (int i = threadIdx.x; i < row.width; i += ROW_THREADS) {
      const float d = at(i) - mean;
      squares += d * d;
    }
    factor = rsqrtf(team_sum<ROW_THREADS>(squares) / row.width + row.epsilon);
  }
  for (int i = threadIdx.x; i < row.width; i += ROW_THREADS) {
    float v = at(i);
    if (row.how != SUM_ONLY) {
      v = (v - mean) * factor * to_float(row.scale[i]) + (row.shift ? to_float(row.shift[i]) : 0.f);
    }
    row.out[i] = from_float<T>(v);
  }
}

template <typename T> __device__ __forceinline__ void normalise(const Row<T>& row) {
  constexpr int EIGHT = 8 / LANES<T>;  // vectors that hold eight numbers
  if (warp_a_row(row.width)) {
    switch ((row.width + 255) / 256) {
      case 1: return normalise_in_registers<T, 32, EIGHT>(row);
      case 2: return normalise_in_registers<T, 32, 2 * EIGHT>(row);
      case 3: return normalise_in_registers<T, 32, 3 * EIGHT>(row);
      case 4: return normalise_in_registers<T, 32, 4 * EIGHT>(row);
    }
  } else if (row.width % 8 == 0 && row.width <= 4096) {
    if (row.width <= 2048) return normalise_in_registers<T, ROW_THREADS, 2 * EIGHT>(row);
    return normalise_in_registers<T, ROW_THREADS, 4 * EIGHT>(row);
  } else {
    normalise_in_passes<T>(row);
  }
}
