// The inner product of dense products: a tile of C, MR rows by NV vectors, stays in registers while k runs.
#pragma once
#include <utility>

#include "../simd.h"

namespace filature {
namespace FILATURE_ISA {

#if FILATURE_W == 16
constexpr int MR = 14, NV = 2;  // 28 accumulators, 2 of B, 1 of A: 31 of 32 registers
#elif FILATURE_W == 8
constexpr int MR = 6, NV = 2;   // 12 + 2 + 1 of 16
#elif defined(__aarch64__)
constexpr int MR = 8, NV = 3;   // 24 + 3 + 2 of 32
#else
constexpr int MR = 4, NV = 2;
#endif
constexpr int NR = NV * W;

// Loops over the vectors of a tile are unrolled to its widest, kThinVectors: in a loop left over the sums would live in memory.

// C = or += a tile of sums, + bias.
template <int M_, int N_>
FILATURE_INLINE void put_tile(const vf acc[M_][N_], float* c, int64_t ldc, bool accumulate, const float* bias) {
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N_; j++) {
      vf v = acc[i][j];
      if (bias) v += load(bias + j * W);
      float* out = c + i * ldc + j * W;
      store(out, accumulate ? v + load(out) : v);
    }
}

// C (M_ x N_ vectors) = or += A B + bias. A element (i, k) at a[i * a_row + k * a_col], B row k at b + k * ldb.
template <int M_, int N_>
FILATURE_INLINE void micro(int64_t K, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, float* c,
                           int64_t ldc, bool accumulate, const float* bias) {
  vf acc[M_][N_];
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N_; j++) acc[i][j] = vf{};
  for (int64_t k = 0; k < K; k++) {
    vf row[N_];
#pragma GCC unroll 8
    for (int j = 0; j < N_; j++) row[j] = load(b + j * W);
#pragma GCC unroll 16
    for (int i = 0; i < M_; i++) {
      const vf x = splat(a[i * a_row]);
#pragma GCC unroll 8
      for (int j = 0; j < N_; j++) acc[i][j] += x * row[j];
    }
    a += a_col;
    b += ldb;
  }
  put_tile<M_, N_>(acc, c, ldc, accumulate, bias);
}

using Micro = void (*)(int64_t K, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, float* c,
                       int64_t ldc, bool accumulate, const float* bias);

template <int M_, int N_>
void micro_packed(int64_t K, const float* a, int64_t, int64_t, const float* b, int64_t, float* c, int64_t ldc,
                  bool accumulate, const float* bias) {
  micro<M_, N_>(K, a, 1, MR, b, NR, c, ldc, accumulate, bias);
}
template <int M_, int N_>
void micro_strided(int64_t K, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t ldb, float* c,
                   int64_t ldc, bool accumulate, const float* bias) {
  micro<M_, N_>(K, a, a_row, a_col, b, ldb, c, ldc, accumulate, bias);
}

// With few rows the tile is wider, so that enough sums are under way at once.
constexpr int kThinRows = 3, kThinVectors = 32 / FILATURE_W * 4 > 8 ? 4 : 8;
constexpr int kThinWidth = kThinVectors * W;

// f<m, n>() for every size from 1 x 1 to M_ x N_: fills the tables of inner products.
template <int M_, int N_, typename F>
constexpr void each_size(const F& f) {
  [&f]<int... I>(std::integer_sequence<int, I...>) {
    (f.template operator()<I / N_ + 1, I % N_ + 1>(), ...);
  }(std::make_integer_sequence<int, M_ * N_>{});
}

// By rows (1..MR) and vectors (1..NV, or 1..kThinVectors).
struct MicroTable {
  Micro packed[MR + 1][NV + 1], strided[MR + 1][NV + 1], thin[kThinRows + 1][kThinVectors + 1];
};
extern const MicroTable kMicro;

}  // namespace FILATURE_ISA
}  // namespace filature
