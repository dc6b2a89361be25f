// The sum of up to three embeddings (words, positions, segments) and its layer norm (see rows.cuh for launch and
// alignment). A null `scale` leaves the sum as it is.
#include "rows.cuh"

// A table with an index gives row r of the output its row index[r % index_rows] of `vocabulary` rows; negative
// indices count from the end, those beyond either end mean the row at that end. One without gives its own row
// r % index_rows.
struct Embed {
  const void* table[3];
  const int64_t* index[3];
  int index_rows[3];
  int vocabulary[3];
  int tables;
};

__device__ __forceinline__ int64_t table_row(const Embed& e, int t, int r) {
  const int at = r % e.index_rows[t];
  if (!e.index[t]) return at;
  const int64_t given = e.index[t][at], size = e.vocabulary[t];
  const int64_t i = given < 0 ? given + size : given;
  return i < 0 ? 0 : (i < size ? i : size - 1);
}

template <typename T>
__device__ __forceinline__ void embed_norm(const T* scale, const T* shift, T* out, int rows, int width, float epsilon,
                                           const Embed& e) {
  wait_for_inputs();
  let_next_start();
  const int r = my_row(width);
  if (r >= rows) return;
  Row<T> row;
#pragma unroll
  for (int t = 0; t < 3; t++) {
    row.part[t] = t < e.tables ? static_cast<const T*>(e.table[t]) + table_row(e, t, r) * width : nullptr;
  }
  row.scale = scale;
  row.shift = shift;
  row.out = out + static_cast<size_t>(r) * width;
  row.width = width;
  row.epsilon = epsilon;
  row.how = scale ? LAYER_NORM : SUM_ONLY;
  normalise(row);
}

#define EMBED_NORM(T, NAME)                                                                              \
  extern "C" __global__ void __launch_bounds__(ROW_THREADS, ROW_BLOCKS)                                  \
      embed_norm_##NAME(const T* scale, const T* shift, T* out, int rows, int width, float epsilon,      \
                        const struct Embed e) {                                                          \
    embed_norm<T>(scale, shift, out, rows, width, epsilon, e);                                           \
  }
EMBED_NORM(float, f32)
EMBED_NORM(__half, f16)
EMBED_NORM(__nv_bfloat16, bf16)
