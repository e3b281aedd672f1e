// The inner product with A read row by row where it lies, B packed.
#pragma once
#include "micro.h"

namespace filature {
namespace FILATURE_ISA {

constexpr int kLine = 16;  // floats of a cache line

// What the product will touch next, fetched line by line while it runs: rows of A, and the rows of C that the tile goes to.
struct Ahead {
  const float* a;
  int64_t a_row, a_rows;
  const float* c;
  int64_t c_row, c_rows;

  // A quarter of what belongs to floats k .. k + kLine - 1: bursts would hold up what the tile itself reads.
  FILATURE_INLINE void fetch(int64_t k, int quarter) const {
    for (int64_t r = quarter; r < a_rows; r += 4) __builtin_prefetch(a + r * a_row + k, 0, 2);
    if (quarter == 3 && k < c_rows * kLine) __builtin_prefetch(c + k / kLine * c_row, 1);
  }
};

// Tile (M_, NR) = A B: A element (i, k) at a[i * a_row + k].
using RowMicro = void (*)(int64_t K, const float* a, int64_t a_row, const float* b, float* tile, const Ahead& ahead);

// Pointers to M_ rows, one for three: with more the compiler would run out of registers.
template <int M_>
struct RowPointers {
  static constexpr int kCount = (M_ + 2) / 3;
  const float* at[kCount];
  int64_t pitch;

  FILATURE_INLINE RowPointers(const float* a, int64_t pitch) : pitch(pitch) {
#pragma GCC unroll 8
    for (int t = 0; t < kCount; t++) at[t] = a + 3 * t * pitch;
  }
  FILATURE_INLINE const float* row(int i) const { return at[i / 3] + i % 3 * pitch; }
  // Lines of the rows of one pointer.
  FILATURE_INLINE void fetch(int pointer, int64_t k) const {
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++)
      if (3 * pointer + i < M_) __builtin_prefetch(row(3 * pointer + i) + k);
  }
  FILATURE_INLINE void advance(int64_t k) {
#pragma GCC unroll 8
    for (int t = 0; t < kCount; t++) {
      at[t] += k;
      asm("" : "+r"(at[t]));  // or they become lanes of a vector
    }
  }
};

// Adds the products of number k of each row and a row of B.
template <int M_, int N_>
FILATURE_INLINE void add_products(vf acc[M_][N_], const RowPointers<M_>& rows, int k, const float* b) {
  vf y[N_];
#pragma GCC unroll 4
  for (int j = 0; j < N_; j++) y[j] = load(b + j * W);
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++) {
    const vf x = splat(rows.row(i)[k]);
#pragma GCC unroll 4
    for (int j = 0; j < N_; j++) acc[i][j] += x * y[j];
  }
}

template <int M_, int N_>
void micro_rows(int64_t K, const float* a, int64_t a_row, const float* b, float* tile, const Ahead& ahead) {
  vf acc[M_][N_];
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++)
#pragma GCC unroll 4
    for (int j = 0; j < N_; j++) acc[i][j] = vf{};
  RowPointers<M_> rows(a, a_row);
  int64_t k = 0;
  for (; k + kLine <= K; k += kLine) {
    const int64_t next = k + 2 * kLine <= K ? kLine : -k;  // the next tile begins with the same rows
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; quarter++) {
      rows.fetch(quarter, next - quarter * kLine / 4);
      ahead.fetch(k, quarter);
#pragma GCC unroll 4
      for (int u = 0; u < kLine / 4; u++) add_products<M_, N_>(acc, rows, u, b + u * NR);
      rows.advance(kLine / 4);
      b += kLine / 4 * NR;
    }
  }
  for (; k < K; k++, b += NR) {
    add_products<M_, N_>(acc, rows, 0, b);
    rows.advance(1);
  }
  put_tile<M_, N_>(acc, tile, NR, false, nullptr);
}

}  // namespace FILATURE_ISA
}  // namespace filature
