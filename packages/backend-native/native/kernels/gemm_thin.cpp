// Few rows: B is read once where it lies.
#include "gemm_paths.h"

namespace filature {
namespace FILATURE_ISA {

// B row-major.
void gemm_strided(const Gemm& g) {
  const bool thin = g.M <= kThinRows;
  const int64_t step = thin ? kThinWidth : NR;
  const auto columns = [&](int64_t p) {
    const int64_t j = p * step;
    const int width = g.N - j < step ? g.N - j : step;
    for (int64_t i = 0; i < g.M; i += MR) {
      const int rows = g.M - i < MR ? g.M - i : MR;
      float* out = sums(g, i, j);
      const int full = width / W;
      if (full) {
        const Micro micro = thin ? kMicro.thin[rows][full] : kMicro.strided[rows][full];
        micro(g.K, g.a + i * g.a_row, g.a_row, g.a_col, g.b + j, g.b_row, out, g.ldc, g.accumulate,
              g.bias ? g.bias + j : nullptr);
      }
      for (int r = 0; r < rows; r++)
        for (int c = full * W; c < width; c++) {
          const float* x = g.a + (i + r) * g.a_row;
          float v = 0;
          for (int64_t k = 0; k < g.K; k++) v += x[k * g.a_col] * g.b[k * g.b_row + j + c];
          if (g.bias) v += g.bias[j + c];
          out[r * g.ldc + c] = g.accumulate ? v + out[r * g.ldc + c] : v;
        }
      finish(g, i, j, rows, width);
    }
  };
  tasks_of(g.M * g.N * g.K > 1 << 17, blocks(g.N, step), columns);
}

namespace {

constexpr int kDotRows = W == 8 || (W == 4 && NV == 2) ? 3 : 6;  // with 4 columns what the registers hold

// R rows of A by C columns of B, both along k in memory: R * C dot products.
template <int R, int C>
void dots(const Gemm& g, int64_t i, int64_t j) {
  vf acc[R][C] = {};
  const float *a = g.a + i * g.a_row, *b = g.b + j * g.b_col;
  int64_t k = 0;
  for (; k + W <= g.K; k += W) {
    vf x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) x[r] = load(a + r * g.a_row + k);
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) {
      const vf y = load(b + c * g.b_col + k);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) acc[r][c] += x[r] * y;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) {
      float v = sum(acc[r][c]);
      for (int64_t t = k; t < g.K; t++) v += a[r * g.a_row + t] * b[c * g.b_col + t];
      if (g.bias) v += g.bias[j + c];
      float* out = sums(g, i + r, j + c);
      *out = g.accumulate ? v + *out : v;
    }
}

template <int R>
void dot_columns(int64_t rows, const Gemm& g, int64_t i, int64_t j0, int64_t j1) {
  if constexpr (R > 1) {
    if (rows < R) return dot_columns<R - 1>(rows, g, i, j0, j1);
  }
  int64_t j = j0;
  for (; j + 4 <= j1; j += 4) dots<R, 4>(g, i, j);
  for (; j < j1; j++) dots<R, 1>(g, i, j);
}

}  // namespace

void dot_rows(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
  for (int64_t parts = blocks(i1 - i0, kDotRows); parts > 0; parts--) {
    const int64_t rows = blocks(i1 - i0, parts);
    dot_columns<kDotRows>(rows, g, i0, j0, j1);
    i0 += rows;
  }
}

// Few rows, B column-major (a weight (out, in)): dot products at the speed of memory.
void gemm_dotted(const Gemm& g) {
  constexpr int64_t kSlice = 64;
  const auto columns = [&](int64_t s) {
    const int64_t j0 = s * kSlice, j1 = j0 + kSlice < g.N ? j0 + kSlice : g.N;
    dot_rows(g, 0, g.M, j0, j1);
    finish(g, 0, j0, g.M, j1 - j0);
  };
  tasks_of(g.M * g.N * g.K > 1 << 17, blocks(g.N, kSlice), columns);
}

}  // namespace FILATURE_ISA
}  // namespace filature
