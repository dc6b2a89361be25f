// Layer norm and RMS norm of x + other + bias, in one pass over memory (see rows.cuh for launch and alignment).
// `other`, `bias` and `shift` may be null; `other` has other_rows rows and starts over after its last. `out` may be
// x or, unless it starts over, `other`.
#include "rows.cuh"

template <typename T>
__device__ __forceinline__ void norm(const T* x, const T* other, const T* bias, const T* scale, const T* shift, T* out,
                                     int rows, int width, int other_rows, float epsilon, int mean_square) {
  wait_for_inputs();
  let_next_start();
  const int r = my_row(width);
  if (r >= rows) return;
  Row<T> row;
  row.part[0] = x + static_cast<size_t>(r) * width;
  row.part[1] = other ? other + static_cast<size_t>(r % other_rows) * width : nullptr;
  row.part[2] = bias;
  row.scale = scale;
  row.shift = shift;
  row.out = out + static_cast<size_t>(r) * width;
  row.width = width;
  row.epsilon = epsilon;
  row.how = mean_square ? RMS_NORM : LAYER_NORM;
  normalise(row);
}

#define NORM(T, NAME)                                                                                             \
  extern "C" __global__ void __launch_bounds__(ROW_THREADS, ROW_BLOCKS)                                                       \
      norm_##NAME(const T* x, const T* other, const T* bias, const T* scale, const T* shift, T* out, int rows,    \
                  int width, int other_rows, float epsilon, int mean_square) {                                    \
    norm<T>(x, other, bias, scale, shift, out, rows, width, other_rows, epsilon, mean_square);                    \
  }
NORM(float, f32)
NORM(__half, f16)
NORM(__nv_bfloat16, bf16)
