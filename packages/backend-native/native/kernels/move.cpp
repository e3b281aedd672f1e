// Moving numbers of four bytes: transposes, slices, broadcasts, gathers, fills.
#include "kernels.h"
#include "pack.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

// y (rows, columns), columns contiguous, from x whose rows are contiguous: blocks of W x W.
void transpose_block(const uint32_t* x, int64_t x_column, uint32_t* y, int64_t y_row, int64_t rows, int64_t columns) {
  const float* from = reinterpret_cast<const float*>(x);
  float* to = reinterpret_cast<float*>(y);
  for (int64_t r = 0; r < rows; r += W)
    for (int64_t c = 0; c < columns; c += W) {
      if (r + W <= rows && c + W <= columns) {
        vf v[W];
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) v[i] = load(from + (c + i) * x_column + r);
        transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(to + (r + i) * y_row + c, v[i]);
      } else {
        for (int64_t i = r; i < rows && i < r + W; i++)
          for (int64_t j = c; j < columns && j < c + W; j++) y[i * y_row + j] = x[j * x_column + i];
      }
    }
}

void copy_row(const uint32_t* x, int64_t step, uint32_t* y, int64_t y_step, int64_t n) {
  if (step == 1 && y_step == 1) std::memcpy(y, x, n * sizeof *y);
  else for (int64_t i = 0; i < n; i++) y[i * y_step] = x[i * step];
}

}  // namespace

// y[walk.out] = x[walk.a]
void copy_walk(const Walk& w, const uint32_t* x, uint32_t* y) {
  const int last = w.rank - 1;
  // Where another axis is the contiguous one of x, the two are transposed together.
  int other = -1;
  if (w.a[last] != 1 && w.out[last] == 1)
    for (int d = 0; d < last; d++)
      if (w.a[d] == 1 && w.size[d] > 1) other = d;
  const bool transposed = other >= 0 && w.size[last] > 1;
  const int64_t n = w.size[last];
  int64_t outer = 1;
  for (int d = 0; d < last; d++)
    if (!(transposed && d == other)) outer *= w.size[d];
  const int64_t width = transposed ? n * w.size[other] : n;
  row_groups(outer, width, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      int64_t from = 0, to = 0, rest = r;
      for (int d = last - 1; d >= 0; d--) {
        if (transposed && d == other) continue;
        const int64_t k = rest % w.size[d];
        rest /= w.size[d];
        from += k * w.a[d];
        to += k * w.out[d];
      }
      if (transposed) transpose_block(x + from, w.a[last], y + to, w.out[other], w.size[other], n);
      else copy_row(x + from, w.a[last], y + to, w.out[last], n);
    }
  });
}

void fill(uint32_t value, uint32_t* y, int64_t n) {
  row_groups(n >> 10 ? n >> 10 : 1, n >> 10 ? 1024 : n, [&](int64_t r, int64_t end) {
    const int64_t first = r * 1024, stop = end == (n >> 10) || !(n >> 10) ? n : end * 1024;
    for (int64_t i = first; i < stop; i++) y[i] = value;
  });
}

// x (batches, rows, width), ids n of them -> y (batches, n, width); ids have been checked.
void gather(const uint32_t* x, const int32_t* ids, int64_t batches, int64_t rows, int64_t n, int64_t width, uint32_t* y) {
  row_groups(batches * n, width, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const uint32_t* from = x + ((r / n) * rows + ids[r % n]) * width;
      if (width == 1) y[r] = *from;
      else std::memcpy(y + r * width, from, width * sizeof *y);
    }
  });
}

// y (rows, width) = 0, then y[ids[i]] += x[i], in the order of i; ids outside 0..rows-1 and `skip` are left out.
// A task has a slice of the columns, so that no two write the same number.
void scatter_add(const float* x, const int32_t* ids, int64_t n, int64_t width, int64_t rows, int64_t skip, float* y) {
  fill(0, reinterpret_cast<uint32_t*>(y), rows * width);
  if (n == 0 || width == 0) return;
  const int64_t slice = width >= 8 * W ? 4 * W : width, slices = (width + slice - 1) / slice;
  const auto task = [&](int64_t s) {
    const int64_t j = s * slice, count = width - j < slice ? width - j : slice;
    for (int64_t i = 0; i < n; i++) {
      const int64_t id = ids[i];
      if (id < 0 || id >= rows || id == skip) continue;
      const float* from = x + i * width + j;
      float* to = y + id * width + j;
      int64_t c = 0;
      for (; c + W <= count; c += W) store(to + c, load(to + c) + load(from + c));
      for (; c < count; c++) to[c] += from[c];
    }
  };
  if (n * width > 1 << 14) parallel_for(slices, task);
  else for (int64_t s = 0; s < slices; s++) task(s);
}

}  // namespace FILATURE_ISA
}  // namespace filature
