// LSTM and GRU layers in f32, as ONNX defines them (gates of an LSTM i, o, f, c; of a GRU z, r, h with
// linear_before_reset). The products of all inputs with W, biases added, come from one matrix product before.
//
// `*_sequence_H` runs a whole sequence for hidden size H: a block takes `rows` (1, 2 or 4) batch rows through all
// steps, its weights on the multiprocessor all the while, the state in shared memory; grid ceil(batch / rows). Shared
// memory is dynamic: lstm_shared_floats and gru_shared_floats below, times four. `weights` is R [gates x H, H] row by
// row, 16-byte aligned. Initial states may be null (zeros), as may `all` and the final states. `backwards` goes from
// the last step to the first; results lie at their own step either way.
//
// `*_cell_f32` does one step of any size, after the matrix product of the state; 256 threads a block, any grid.
#include "functions.cuh"

// Both well within 1e-6 of the exact value: the relative error of the exponential counts at most by half.
__device__ __forceinline__ float sigmoid_fast(float x) { return __fdividef(1.f, 1.f + __expf(-x)); }
__device__ __forceinline__ float tanh_fast(float x) { return 1.f - __fdividef(2.f, 1.f + __expf(2.f * x)); }

// --- LSTM -----------------------------------------------------------------------------------------------------------
// Of 4H threads, thread (split, unit) multiplies a quarter of the state with the four gate rows of a unit, so that a
// number read from shared memory serves four sums; the quarters' partial sums meet in shared memory, where each quad
// of lanes picks up one unit, a gate a lane.

constexpr int SPLITS = 4, GATES = 4;

// Of a thread's H/4 columns of a gate row, those kept in registers; the rest lie in shared memory.
template <int H, int ROWS> constexpr int KEPT = H <= 64 ? H / SPLITS : (ROWS <= 2 ? 24 : 16);
template <int H> constexpr int PARTIAL_ROW = H + 8;  // a quad's four reads fall into different banks

template <int H, int ROWS> constexpr int lstm_shared_floats() {
  return (H / SPLITS - KEPT<H, ROWS>) * GATES * 4 * H + ROWS * H + ROWS * SPLITS * GATES * PARTIAL_ROW<H>;
}
static_assert(lstm_shared_floats<32, 1>() * 4 == 2688 && lstm_shared_floats<64, 1>() * 4 == 4864, "as the host has it");
static_assert(lstm_shared_floats<128, 1>() * 4 == 74752 && lstm_shared_floats<128, 2>() * 4 == 83968 &&
              lstm_shared_floats<128, 4>() * 4 == 167936, "as the host has it");

struct Lstm {
  const float *gates_x, *weights, *h0, *c0;
  float *all, *h_last, *c_last;
  int batch, steps;
  long long x_batch, x_step, y_batch, y_step;
  int backwards;
};

__device__ __forceinline__ void multiply_add(float& sum, float4 w, float4 h) {
  sum += w.x * h.x;
  sum += w.y * h.y;
  sum += w.z * h.z;
  sum += w.w * h.w;
}

template <int H, int ROWS> __device__ __forceinline__ void lstm(const Lstm& a, float* shared) {
  constexpr int THREADS = 4 * H, COLUMNS = H / SPLITS, IN = KEPT<H, ROWS> / 4, OUT = COLUMNS / 4 - IN;
  float4* spare = reinterpret_cast<float4*>(shared);      // [OUT][GATES][THREADS]
  float* state = shared + OUT * 4 * GATES * THREADS;      // [ROWS][H]
  float* partial = state + ROWS * H;                      // [ROWS][SPLITS][GATES][PARTIAL_ROW]
  const int thread = threadIdx.x, first_row = blockIdx.x * ROWS;
  const int split = thread / H, split_unit = thread % H;  // while multiplying
  const int unit = thread / GATES, gate = thread % GATES;  // afterwards

  float4 w[GATES][IN];
#pragma unroll
  for (int g = 0; g < GATES; g++) {
    const float4* from = reinterpret_cast<const float4*>(a.weights + (g * H + split_unit) * H + split * COLUMNS);
#pragma unroll
    for (int k = 0; k < IN; k++) w[g][k] = from[k];
#pragma unroll
    for (int k = 0; k < OUT; k++) spare[(k * GATES + g) * THREADS + thread] = from[IN + k];
  }

  float c[ROWS], h[ROWS], x[ROWS];
  const auto read_x = [&](int r, int t) {
    const int step = a.backwards ? a.steps - 1 - t : t;
    if (first_row + r >= a.batch || t >= a.steps) return 0.f;
    return a.gates_x[(first_row + r) * a.x_batch + step * a.x_step + gate * H + unit];
  };
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    const bool real = first_row + r < a.batch;
    const int at = (first_row + r) * H + unit;
    c[r] = real && a.c0 ? a.c0[at] : 0.f;
    h[r] = real && a.h0 ? a.h0[at] : 0.f;
    x[r] = read_x(r, 0);
    if (gate == 0) state[r * H + unit] = h[r];
  }
  __syncthreads();

  for (int t = 0; t < a.steps; t++) {
    float sum[ROWS][GATES];
#pragma unroll
    for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = sum[r][2] = sum[r][3] = 0.f;
    const float* my_state = state + split * COLUMNS;
#pragma unroll
    for (int k = 0; k < IN; k++) {
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        const float4 part = *reinterpret_cast<const float4*>(my_state + r * H + k * 4);
#pragma unroll
        for (int g = 0; g < GATES; g++) multiply_add(sum[r][g], w[g][k], part);
      }
    }
#pragma unroll
    for (int k = 0; k < OUT; k++) {
      float4 far[GATES];
#pragma unroll
      for (int g = 0; g < GATES; g++) far[g] = spare[(k * GATES + g) * THREADS + thread];
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        const float4 part = *reinterpret_cast<const float4*>(my_state + r * H + (IN + k) * 4);
#pragma unroll
        for (int g = 0; g < GATES; g++) multiply_add(sum[r][g], far[g], part);
      }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
      for (int g = 0; g < GATES; g++) {
        partial[((r * SPLITS + split) * GATES + g) * PARTIAL_ROW<H> + split_unit] = sum[r][g];
      }
    }
    __syncthreads();

    const int step = a.backwards ? a.steps - 1 - t : t;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      float v = x[r];
#pragma unroll
      for (int s = 0; s < SPLITS; s++) v += partial[((r * SPLITS + s) * GATES + gate) * PARTIAL_ROW<H> + unit];
      x[r] = read_x(r, t + 1);  // arrives while the next step multiplies
      // tanh(v) is 2 sigmoid(2v) - 1: one path for the four lanes.
      const float s = sigmoid_fast(gate == 3 ? 2.f * v : v), activated = gate == 3 ? 2.f * s - 1.f : s;
      const float in = __shfl_sync(0xffffffffu, activated, 0, GATES), out = __shfl_sync(0xffffffffu, activated, 1, GATES);
      const float forget = __shfl_sync(0xffffffffu, activated, 2, GATES), cell = __shfl_sync(0xffffffffu, activated, 3, GATES);
      c[r] = forget * c[r] + in * cell;
      h[r] = out * tanh_fast(c[r]);
      if (gate == 0) state[r * H + unit] = h[r];
      if (gate == 1 && a.all && first_row + r < a.batch) {
        a.all[(first_row + r) * a.y_batch + step * a.y_step + unit] = h[r];
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (first_row + r >= a.batch) break;
    const int at = (first_row + r) * H + unit;
    if (gate == 2 && a.h_last) a.h_last[at] = h[r];
    if (gate == 3 && a.c_last) a.c_last[at] = c[r];
  }
}

template <int H> __device__ __forceinline__ void lstm_sequence(const Lstm& a, int rows) {
  extern __shared__ float4 lstm_shared[];
  float* shared = reinterpret_cast<float*>(lstm_shared);
  wait_for_inputs();
  let_next_start();
  if (rows == 4) {
    lstm<H, 4>(a, shared);
  } else if (rows == 2) {
    lstm<H, 2>(a, shared);
  } else {
    lstm<H, 1>(a, shared);
  }
}

#define LSTM_SEQUENCE(H)                                                                                              \
  extern "C" __global__ void __launch_bounds__(4 * H, 1) lstm_sequence_##H(                                           \
      const float* gates_x, const float* weights, const float* h0, const float* c0, float* all, float* h_last,        \
      float* c_last, int batch, int steps, long long x_batch, long long x_step, long long y_batch, long long y_step,  \
      int backwards, int rows) {                                                                                      \
    lstm_sequence<H>({gates_x, weights, h0, c0, all, h_last, c_last, batch, steps, x_batch, x_step, y_batch, y_step,  \
                      backwards}, rows);                                                                              \
  }
LSTM_SEQUENCE(32)
LSTM_SEQUENCE(64)
LSTM_SEQUENCE(128)

// --- GRU ------------------------------------------------------------------------------------------------------------
// Of 3H threads, thread (gate, unit) keeps a whole gate row in registers. Those of the candidate gate finish a step:
// they hold the state of their unit too.

template <int H, int ROWS> constexpr int gru_shared_floats() { return ROWS * 3 * H; }

struct Gru {
  const float *gates_x, *weights, *candidate_bias, *h0;
  float *all, *h_last;
  int batch, steps;
  long long x_batch, x_step, y_batch, y_step;
  int backwards;
};

template <int H, int ROWS> __device__ __forceinline__ void gru(const Gru& a, float* shared) {
  float* state = shared;             // [ROWS][H]
  float* opened = shared + ROWS * H;  // [ROWS][2][H]: the gates z and r
  const int thread = threadIdx.x, gate = thread / H, unit = thread % H, first_row = blockIdx.x * ROWS;
  const bool candidate = gate == 2;

  float4 w[H / 4];
  const float4* from = reinterpret_cast<const float4*>(a.weights + thread * H);
#pragma unroll
  for (int k = 0; k < H / 4; k++) w[k] = from[k];
  const float bias = candidate && a.candidate_bias ? a.candidate_bias[unit] : 0.f;

  float h[ROWS], x[ROWS];
  const auto read_x = [&](int r, int t) {
    const int step = a.backwards ? a.steps - 1 - t : t;
    if (first_row + r >= a.batch || t >= a.steps) return 0.f;
    return a.gates_x[(first_row + r) * a.x_batch + step * a.x_step + thread];
  };
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    h[r] = first_row + r < a.batch && a.h0 ? a.h0[(first_row + r) * H + unit] : 0.f;
    x[r] = read_x(r, 0);
    if (candidate) state[r * H + unit] = h[r];
  }
  __syncthreads();

  for (int t = 0; t < a.steps; t++) {
    float sum[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      float even = bias, odd = 0.f;
#pragma unroll
      for (int k = 0; k < H / 4; k += 2) {
        multiply_add(even, w[k], *reinterpret_cast<const float4*>(state + r * H + k * 4));
        multiply_add(odd, w[k + 1], *reinterpret_cast<const float4*>(state + r * H + k * 4 + 4));
      }
      sum[r] = even + odd;
      if (!candidate) {
        opened[r * 2 * H + thread] = sigmoid_fast(x[r] + sum[r]);
        x[r] = read_x(r, t + 1);
      }
    }
    __syncthreads();

    if (candidate) {
      const int step = a.backwards ? a.steps - 1 - t : t;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        const float z = opened[r * 2 * H + unit], reset = opened[r * 2 * H + H + unit];
        const float n = tanh_fast(x[r] + reset * sum[r]);
        x[r] = read_x(r, t + 1);
        h[r] = (1.f - z) * n + z * h[r];
        state[r * H + unit] = h[r];
        if (a.all && first_row + r < a.batch) a.all[(first_row + r) * a.y_batch + step * a.y_step + unit] = h[r];
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    if (candidate && a.h_last && first_row + r < a.batch) a.h_last[(first_row + r) * H + unit] = h[r];
  }
}

template <int H> __device__ __forceinline__ void gru_sequence(const Gru& a, int rows) {
  extern __shared__ float4 gru_shared[];
  float* shared = reinterpret_cast<float*>(gru_shared);
  wait_for_inputs();
  let_next_start();
  if (rows == 4) {
    gru<H, 4>(a, shared);
  } else if (rows == 2) {
    gru<H, 2>(a, shared);
  } else {
    gru<H, 1>(a, shared);
  }
}

#define GRU_SEQUENCE(H)                                                                                            \
  extern "C" __global__ void __launch_bounds__(3 * H, 1) gru_sequence_##H(                                         \
      const float* gates_x, const float* weights, const float* candidate_bias, const float* h0, float* all,        \
      float* h_last, int batch, int steps, long long x_batch, long long x_step, long long y_batch,                 \
      long long y_step, int backwards, int rows) {                                                                 \
    gru_sequence<H>({gates_x, weights, candidate_bias, h0, all, h_last, batch, steps, x_batch, x_step, y_batch,    \
                     y_step, backwards}, rows);                                                                    \
  }
GRU_SEQUENCE(32)
GRU_SEQUENCE(64)
GRU_SEQUENCE(128)

// --- One step -------------------------------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) lstm_cell_f32(
    const float* gates_x, const float* gates_h, const float* c_in, float* c_out, float* h_out, float* y, int batch,
    int hidden, long long x_row, long long y_row) {
  wait_for_inputs();
  let_next_start();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < batch * hidden; i += gridDim.x * blockDim.x) {
    const int row = i / hidden, unit = i % hidden;
    float gate[4];
#pragma unroll
    for (int g = 0; g < 4; g++) {
      gate[g] = gates_x[row * x_row + g * hidden + unit];
      if (gates_h) gate[g] += gates_h[(row * 4 + g) * hidden + unit];
    }
    const float c = sigmoid(gate[2]) * (c_in ? c_in[i] : 0.f) + sigmoid(gate[0]) * tanhf(gate[3]);
    const float h = sigmoid(gate[1]) * tanhf(c);
    c_out[i] = c;
    h_out[i] = h;
    if (y) y[row * y_row + unit] = h;
  }
}

extern "C" __global__ void __launch_bounds__(256) gru_cell_f32(
    const float* gates_x, const float* gates_h, const float* candidate_bias, const float* h_in, float* h_out, float* y,
    int batch, int hidden, long long x_row, long long y_row) {
  wait_for_inputs();
  let_next_start();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < batch * hidden; i += gridDim.x * blockDim.x) {
    const int row = i / hidden, unit = i % hidden;
    float x[3], r[3];
#pragma unroll
    for (int g = 0; g < 3; g++) {
      x[g] = gates_x[row * x_row + g * hidden + unit];
      r[g] = gates_h ? gates_h[(row * 3 + g) * hidden + unit] : 0.f;
    }
    if (candidate_bias) r[2] += candidate_bias[unit];
    const float z = sigmoid(x[0] + r[0]);
    const float n = tanhf(x[2] + sigmoid(x[1] + r[1]) * r[2]);
    const float h = (1.f - z) * n + z * (h_in ? h_in[i] : 0.f);
    h_out[i] = h;
    if (y) y[row * y_row + unit] = h;
  }
}
