// What the forward and the backward pass of attention share: blocks of keys, ranges of visible keys, dropout masks.
#pragma once
#include "kernels.h"
#include "micro.h"
#include "pack.h"
#include "philox.h"
#include "../pool.h"

namespace filature {
namespace FILATURE_ISA {

constexpr int kKeys = 128 / NR * NR;      // keys in a block
constexpr int kQueries = 112 / MR * MR;   // queries in a block of the backward pass

FILATURE_INLINE int64_t padded(int64_t n) { return (n + W - 1) / W * W; }
FILATURE_INLINE int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

// Keys begin..end-1 are seen by a query.
struct Visible {
  int64_t begin, end;
};
FILATURE_INLINE Visible visible(const Attention& a, int64_t query) {
  const int64_t at = query + a.S - a.T, begin = at - a.left, end = at + a.right + 1;
  return {begin < 0 ? 0 : begin, end > a.S ? a.S : end};
}

// Heads lie in short pieces, a width apart, which processors do not fetch ahead by themselves.
FILATURE_INLINE void fetch(const float* x, int64_t floats) {
  for (int64_t c = 0; c < floats; c += 16) __builtin_prefetch(x + c);
}
constexpr int kAhead = 8;  // rows

// rows x columns with `step` from row to row, times scale, to rows of padded(columns), the rest zero.
inline void copy_padded(float* to, const float* x, int64_t step, int64_t rows, int64_t columns, float scale) {
  const int64_t width = padded(columns);
  for (int64_t r = 0; r < rows; r++, x += step, to += width) {
    int64_t c = 0;
    if (r + kAhead < rows) fetch(x + kAhead * step, columns);
    for (; c + W <= columns; c += W) store(to + c, load(x + c) * scale);
    if (c < columns) {
      store(to + c, vf{});
      for (; c < columns; c++) to[c] = x[c] * scale;
    }
  }
}

// Rows as panels of MR for the left side of a product, times scale; a panel every columns * MR + W floats.
inline void pack_rows(float* to, const float* x, int64_t step, int64_t rows, int64_t columns, float scale) {
  const int64_t size = columns * MR + W;
  for (int64_t r = 0; r < rows; r += MR, to += size) {
    for (int64_t next = r + MR; next < r + 2 * MR && next < rows; next++) fetch(x + next * step, columns);
    pack_panel<MR>(to, x + r * step, step, 1, rows - r < MR ? rows - r : MR, columns);
    if (scale != 1.0f)
      for (int64_t i = 0; i < columns * MR; i++) to[i] *= scale;
  }
}

// Keys as panels of NR for the right side, transposed.
inline void pack_keys(float* to, const float* x, int64_t step, int64_t keys, int64_t columns) {
  for (int64_t k = 0; k < keys; k += NR, to += columns * NR) {
    for (int64_t next = k + NR; next < k + 2 * NR && next < keys; next++) fetch(x + next * step, columns);
    pack_panel<NR>(to, x + k * step, step, 1, keys - k < NR ? keys - k : NR, columns);
  }
}

// C (M, N) += A B: A by strides, B and C in rows, N a multiple of W.
FILATURE_INLINE void accumulate(int64_t M, int64_t N, int64_t K, const float* a, int64_t a_row, int64_t a_col, const float* b,
                                int64_t ldb, float* c, int64_t ldc) {
  for (int64_t j = 0; j < N; j += NR) {
    const int vectors = N - j < NR ? (N - j) / W : NV;
    for (int64_t i = 0; i < M; i += MR) {
      const int rows = M - i < MR ? M - i : MR;
      kMicro.strided[rows][vectors](K, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc, true, nullptr);
    }
  }
}

// Scores of one panel of queries with the keys of a block: rows of kKeys floats.
FILATURE_INLINE void panel_scores(float* scores, int rows, const float* panel, const float* keys, int64_t count, int64_t D) {
  for (int64_t k = 0; k < count; k += NR)
    kMicro.packed[rows][NV](D, panel, 1, MR, keys + k * D, NR, scores + k, kKeys, false, nullptr);
}

FILATURE_INLINE const float* bias_row(const Attention& a, int64_t b, int64_t h, int64_t t) {
  return a.bias + b * a.bias_step[0] + h * a.bias_step[1] + t * a.bias_step[2];
}

// x[i] times what dropout lets through of keys begin..begin+n-1 of row (b, h, t).
inline void apply_dropout(const Attention& a, int64_t b, int64_t h, int64_t t, int64_t begin, float* x, int64_t n) {
  const Philox& p = *a.dropout;
  philox_stretches(p, ((b * a.H + h) * a.T + t) * a.S + begin, n, [&](int64_t i, const uint32_t* words, int64_t m) {
    for (int64_t k = 0; k < m; k++) x[i + k] = words[k] >= p.threshold ? x[i + k] * p.scale : 0.0f;
  });
}

void decode_attention(const Attention& a);

}  // namespace FILATURE_ISA
}  // namespace filature
