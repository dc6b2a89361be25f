// Pooling of images given by strides, so that channels may be first (NCHW) or last (NHWC).
//
// Calculated in f32. Pads are outside: they never are a maximum. A window without any element of the image has the
// maximum -inf and the average 0. Blocks of 256 threads.
#include <math_constants.h>
#include "loops.cuh"

#define WARPS 8

// n, c, h, w: the image; oh, ow: the output; k, s, p, d: kernel, stride, pad before, dilation; in_ and out_:
// strides. With count_pad an average is over the kernel's size, else over the elements inside. The channels are
// last where in_c is 1, whatever c_first says.
struct Pool2 {
  int n, c, h, w, oh, ow;
  int kh, kw, sh, sw, ph, pw, dh, dw;
  int in_n, in_c, in_h, in_w;
  int out_n, out_c, out_h, out_w;
  int count_pad;
  int c_first;
};

// The pools of one window of N neighbouring channels, whose element at the image's origin is at `in`.
template <bool MAX, int N, typename T>
__device__ __forceinline__ Pack<T, N> pool_window(const T* in, const Pool2& p, int oy, int ox) {
  float pooled[N];
#pragma unroll
  for (int k = 0; k < N; ++k) pooled[k] = MAX ? -CUDART_INF_F : 0.f;
  int inside = 0;
  for (int ky = 0; ky < p.kh; ++ky) {
    const int y = oy * p.sh - p.ph + ky * p.dh;
    if (y < 0 || y >= p.h) continue;
    for (int kx = 0; kx < p.kw; ++kx) {
      const int x = ox * p.sw - p.pw + kx * p.dw;
      if (x < 0 || x >= p.w) continue;
      const Pack<T, N> from = load<N>(in + static_cast<size_t>(y) * p.in_h + static_cast<size_t>(x) * p.in_w);
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float v = to_float(from.at[k]);
        pooled[k] = MAX ? greater(pooled[k], v) : pooled[k] + v;
      }
      ++inside;
    }
  }
  const int count = p.count_pad ? p.kh * p.kw : max(inside, 1);
  Pack<T, N> result;
#pragma unroll
  for (int k = 0; k < N; ++k) result.at[k] = from_float<T>(MAX ? pooled[k] : pooled[k] / count);
  return result;
}

// Neighbouring threads take neighbouring channels.
template <bool MAX, int N, typename T>
__device__ __forceinline__ void pool_channels_last(const T* in, T* out, const Pool2& p) {
  const unsigned packs = p.c / N, total = static_cast<unsigned>(p.n) * p.oh * p.ow * packs;
  for (unsigned i = first_index(); i < total; i += index_step()) {
    const unsigned pixel = i / packs, c = (i - pixel * packs) * N;
    const unsigned row = pixel / p.ow, ox = pixel - row * p.ow;
    const unsigned n = row / p.oh, oy = row - n * p.oh;
    const T* from = in + static_cast<size_t>(n) * p.in_n + static_cast<size_t>(c) * p.in_c;
    T* to = out + static_cast<size_t>(n) * p.out_n + static_cast<size_t>(oy) * p.out_h +
            static_cast<size_t>(ox) * p.out_w + static_cast<size_t>(c) * p.out_c;
    store<N>(to, pool_window<MAX, N>(from, p, oy, ox));
  }
}

// Neighbouring threads take neighbouring pixels.
template <bool MAX, typename T>
__device__ __forceinline__ void pool_channels_first(const T* in, T* out, const Pool2& p) {
  const unsigned total = static_cast<unsigned>(p.n) * p.c * p.oh * p.ow;
  for (unsigned i = first_index(); i < total; i += index_step()) {
    const unsigned row = i / p.ow, ox = i - row * p.ow;
    const unsigned plane = row / p.oh, oy = row - plane * p.oh;
    const unsigned n = plane / p.c, c = plane - n * p.c;
    const T* from = in + static_cast<size_t>(n) * p.in_n + static_cast<size_t>(c) * p.in_c;
    T* to = out + static_cast<size_t>(n) * p.out_n + static_cast<size_t>(oy) * p.out_h +
            static_cast<size_t>(ox) * p.out_w + static_cast<size_t>(c) * p.out_c;
    store<1>(to, pool_window<MAX, 1>(from, p, oy, ox));
  }
}

template <bool MAX, typename T> __device__ __forceinline__ void pool(const T* in, T* out, const Pool2& p) {
  constexpr int N = 16 / sizeof(T);
  if (p.in_c != 1) return pool_channels_first<MAX>(in, out, p);
  const int together = p.c | p.in_n | p.in_h | p.in_w | p.out_n | p.out_h | p.out_w;
  if (together % N == 0 && p.out_c == 1 && aligned<N>(in) && aligned<N>(out)) {
    pool_channels_last<MAX, N>(in, out, p);
  } else {
    pool_channels_last<MAX, 1>(in, out, p);
  }
}

// Averages of all of an image's pixels, out being [n, c] dense. With channels last a block takes 32 of them, each
// warp every eighth pixel; otherwise a warp takes a channel.
template <typename T>
__device__ __forceinline__ void global_average(const T* in, T* out, int n, int c, int hw, int in_n, int in_c,
                                               int in_hw) {
  __shared__ float parts[WARPS][32];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (in_c == 1) {
    const unsigned strips = (c + 31) / 32, work = n * strips;
    for (unsigned unit = blockIdx.x; unit < work; unit += gridDim.x) {
      const unsigned image = unit / strips, channel = (unit - image * strips) * 32 + lane;
      const T* from = in + static_cast<size_t>(image) * in_n + channel;
      float sum = 0.f;
      if (channel < c) {
        for (unsigned i = warp; i < hw; i += WARPS) sum += to_float(from[static_cast<size_t>(i) * in_hw]);
      }
      parts[warp][lane] = sum;
      __syncthreads();
      if (warp == 0 && channel < c) {
        for (int w = 1; w < WARPS; ++w) sum += parts[w][lane];
        out[static_cast<size_t>(image) * c + channel] = from_float<T>(sum / hw);
      }
      __syncthreads();
    }
    return;
  }
  for (unsigned plane = first_index() / 32; plane < static_cast<unsigned>(n) * c; plane += index_step() / 32) {
    const unsigned image = plane / c, channel = plane - image * c;
    const T* from = in + static_cast<size_t>(image) * in_n + static_cast<size_t>(channel) * in_c;
    float sum = 0.f;
    for (unsigned i = lane; i < hw; i += 32) sum += to_float(from[static_cast<size_t>(i) * in_hw]);
    sum = fold_warp(sum, [](float a, float b) { return a + b; });
    if (lane == 0) out[plane] = from_float<T>(sum / hw);
  }
}

#define POOL(NAME, T)                                                                                           \
  extern "C" __global__ void max_pool_##NAME(const T* in, T* out, const __grid_constant__ Pool2 p) {             \
    begin();                                                                                                     \
    pool<true>(in, out, p);                                                                                      \
  }                                                                                                              \
  extern "C" __global__ void average_pool_##NAME(const T* in, T* out, const __grid_constant__ Pool2 p) {         \
    begin();                                                                                                     \
    pool<false>(in, out, p);                                                                                     \
  }                                                                                                              \
  extern "C" __global__ void global_average_##NAME(const T* in, T* out, int n, int c, int hw, int in_n,          \
                                                   int in_c, int in_hw) {                                        \
    begin();                                                                                                     \
    global_average(in, out, n, c, hw, in_n, in_c, in_hw);                                                        \
  }
FOR_FLOATS(POOL)
