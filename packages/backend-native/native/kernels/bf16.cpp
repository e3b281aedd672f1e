#include "bf16.h"

#include <atomic>
#include <chrono>

#include "../processor.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

typedef uint32_t vu __attribute__((vector_size(FILATURE_W * 4)));

// The upper half holds the bfloat16; a NaN stays one.
FILATURE_INLINE vu rounded(vf x) {
  const vu bits = (vu)x, up = bits + 0x7fffu + ((bits >> 16) & 1u);
  return (vu)(x == x ? (vi)up : (vi)(bits | 0x400000u));
}
FILATURE_INLINE uint32_t rounded(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return x == x ? bits + 0x7fffu + ((bits >> 16) & 1u) : bits | 0x400000u;
}

}  // namespace

void round_bf16(float* panel, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(panel + i, (vf)(rounded(load(panel + i)) & 0xffff0000u));
  for (; i < n; i++) {
    const uint32_t bits = rounded(panel[i]) & 0xffff0000u;
    std::memcpy(panel + i, &bits, sizeof bits);
  }
}

void pair_bf16(float* panel, int64_t P, int64_t K) {
  for (int64_t k = 0; k < K; k += 2) {
    const float *even = panel + k * P, *odd = even + P;
    float* to = panel + k / 2 * P;
    const bool both = k + 1 < K;
    int64_t i = 0;
    for (; i + W <= P; i += W) {
      const vu low = rounded(load(even + i)) >> 16, high = both ? rounded(load(odd + i)) & 0xffff0000u : vu{};
      store(to + i, (vf)(low | high));
    }
    for (; i < P; i++) {
      const uint32_t pair = rounded(even[i]) >> 16 | (both ? rounded(odd[i]) & 0xffff0000u : 0);
      std::memcpy(to + i, &pair, sizeof pair);
    }
  }
}

void pair_row_bf16(float* to, const float* x, int64_t K) {
  typedef uint16_t vh __attribute__((vector_size(FILATURE_W * 2)));
  auto* halves = reinterpret_cast<char*>(to);
  int64_t k = 0;
  for (; k + W <= K; k += W) {
    const vh half = __builtin_convertvector(rounded(load(x + k)) >> 16, vh);
    std::memcpy(halves + 2 * k, &half, sizeof half);
  }
  for (; k < K + K % 2; k++) {
    const uint16_t half = k < K ? static_cast<uint16_t>(rounded(x[k]) >> 16) : 0;
    std::memcpy(halves + 2 * k, &half, sizeof half);
  }
}

#if FILATURE_W == 16
namespace {

#define FILATURE_BF16 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma,avx512bf16")))

// Adds the products of M_ pairs, x(i), and a row of B.
template <int M_, int N_, typename X>
FILATURE_BF16 FILATURE_INLINE void add_pairs(__m512 acc[M_][N_], const float* b, const X& x) {
  __m512bh row[N_];
#pragma GCC unroll 4
  for (int j = 0; j < N_; j++) row[j] = (__m512bh)_mm512_loadu_ps(b + j * W);
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++) {
    const __m512bh pair = (__m512bh)_mm512_set1_ps(x(i));
#pragma GCC unroll 4
    for (int j = 0; j < N_; j++) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], pair, row[j]);
  }
}
template <int M_, int N_>
FILATURE_INLINE void clear(__m512 acc[M_][N_]) {
#pragma GCC unroll 16
  for (int i = 0; i < M_; i++)
#pragma GCC unroll 4
    for (int j = 0; j < N_; j++) acc[i][j] = _mm512_setzero_ps();
}

template <int M_, int N_>
FILATURE_BF16 void micro_pairs(int64_t K, const float* a, int64_t, int64_t, const float* b, int64_t, float* c, int64_t ldc,
                               bool accumulate, const float* bias) {
  __m512 acc[M_][N_];
  clear<M_, N_>(acc);
  for (int64_t k = 0; k < K; k++, a += MR, b += NR) add_pairs<M_, N_>(acc, b, [a](int i) { return a[i]; });
  put_tile<M_, N_>(reinterpret_cast<vf(*)[N_]>(acc), c, ldc, accumulate, bias);
}

template <int M_, int N_>
FILATURE_BF16 void micro_row_pairs(int64_t K, const float* a, int64_t a_row, const float* b, float* tile, const Ahead& ahead) {
  __m512 acc[M_][N_];
  clear<M_, N_>(acc);
  RowPointers<M_> rows(a, a_row);
  for (int64_t k = 0; k < K; k++, b += NR, rows.advance(1)) {
    if (k % 2 == 0) ahead.fetch(k * 2 / kLine * kLine, static_cast<int>(k / 2 % 4));
    add_pairs<M_, N_>(acc, b, [&rows](int i) { return *rows.row(i); });
  }
  put_tile<M_, N_>(reinterpret_cast<vf(*)[N_]>(acc), tile, NR, false, nullptr);
}

struct PairTable {
  Micro packed[MR + 1][NV + 1];
  RowMicro rows[MR + 1][NV + 1];
};
constexpr PairTable pair_table() {
  PairTable t = {};
  each_size<MR, NV>([&t]<int M_, int N_>() {
    t.packed[M_][N_] = micro_pairs<M_, N_>;
    t.rows[M_][N_] = micro_row_pairs<M_, N_>;
  });
  return t;
}
constexpr PairTable kPairs = pair_table();

// Seconds that a full tile takes, the best of a few tries.
double tile_time(Micro micro, const float* a, const float* b, float* c) {
  double best = 1;
  for (int i = 0; i < 8; i++) {
    const auto start = std::chrono::steady_clock::now();
    micro(128, a, 1, MR, b, NR, c, NR, false, nullptr);
    const double t = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = t < best ? t : best;
  }
  return best;
}

}  // namespace

std::atomic<int> chosen{-1};  // by the caller: never, always where possible; or left open

bool bf16_pairs_pay() {
  const bool has = processor().avx512_bf16;
  static const bool pays = [has] {
    if (!has) return false;
    alignas(64) static float a[128 * MR + W], b[128 * NR], c[MR * NR];
    return tile_time(kPairs.packed[MR][NV], a, b, c) < 1.5 * tile_time(kMicro.packed[MR][NV], a, b, c);
  }();
  const int choice = chosen.load(std::memory_order_relaxed);
  return choice < 0 ? pays : choice == 1 && has;
}
void bf16_pairs_choose(int choice) { chosen = choice; }

Micro bf16_micro(int rows, int vectors) { return kPairs.packed[rows][vectors]; }
RowMicro bf16_row_micro(int rows, int vectors) { return kPairs.rows[rows][vectors]; }
#else
bool bf16_pairs_pay() { return false; }
void bf16_pairs_choose(int) {}
Micro bf16_micro(int rows, int vectors) { return kMicro.packed[rows][vectors]; }
RowMicro bf16_row_micro(int, int) { return nullptr; }
#endif

}  // namespace FILATURE_ISA
}  // namespace filature
