// Packed panels and register tiles (Goto and van de Geijn, 2008).
#include "gemm_paths.h"

#include "pack.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr int64_t kDepth = 384;       // k of a block: a panel of B, kDepth x NR, stays in the first cache
constexpr int64_t kWidth = 3072;      // n of a block: packed B stays in the shared cache
constexpr int64_t kSmallSide = 1 << 18; // floats of A that the second cache holds
constexpr int64_t kRowPanels = 8;     // panels of A in a task: they stay in the second cache

constexpr int64_t kCold = 1 << 20;    // floats of a C that the caches do not hold: its tiles are fetched ahead

// A tile of C at (i, j), any part of MR x NR; panels packed.
void tile(const Gemm& g, int64_t i, int64_t j, int rows, int64_t depth, bool pairs, const float* a, const float* b, bool add,
          bool last) {
  const int64_t K = pairs ? (depth + 1) / 2 : depth;
  const int columns = g.N - j < NR ? g.N - j : NR;
  float* out = sums(g, i, j);
  const float* bias = last && g.bias ? g.bias + j : nullptr;
  if (columns == NR) {
    if (g.M * g.N > kCold)
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < NR; c += 16) __builtin_prefetch(out + r * g.ldc + c, 1);
    const Micro micro = pairs ? bf16_micro(rows, NV) : kMicro.packed[rows][NV];
    micro(K, a, 1, MR, b, NR, out, g.ldc, add, bias);
  } else {
    alignas(64) float edge[MR * NR];
    const int vectors = (columns + W - 1) / W;
    const Micro micro = pairs ? bf16_micro(rows, vectors) : kMicro.packed[rows][vectors];
    micro(K, a, 1, MR, b, NR, edge, NR, false, nullptr);
    for (int r = 0; r < rows; r++)
      for (int c = 0; c < columns; c++) {
        float v = edge[r * NR + c] + (bias ? bias[c] : 0.0f);
        out[r * g.ldc + c] = add ? v + out[r * g.ldc + c] : v;
      }
  }
  if (last) finish(g, i, j, rows, columns);
}

// One block of columns and of depth.
struct Slab {
  int64_t j0, k0, K, width, height, row_panels, panels;
  bool add, last, pairs, threaded;
};

// Where A fits into the second cache it is packed as a whole, and each task packs a few panels of B for itself: a large
// weight is then read from memory once, and not written and read again.
void columns_first(const Gemm& g, const Slab& s) {
  const int64_t stride = MR * s.K + W, group = 4, groups = blocks(s.row_panels, group);
  float* pa = scratch(kPackA, s.row_panels * stride);
  const auto pack_a = [&](int64_t t) {
    const int64_t r = t * group, i = r * s.height, end = (r + group) * s.height;
    pack_panels<MR>(pa + r * stride, stride, g.a + i * g.a_row + s.k0 * g.a_col, g.a_row, g.a_col, (end < g.M ? end : g.M) - i,
                    s.height, s.K);
    for (int64_t p = r; p < r + group && p < s.row_panels; p++) in_bf16(g, s.pairs, pa + p * stride, MR, s.K);
  };
  const int64_t bundle = s.panels >= 8 * thread_limit() ? 2 : 1, bundles = blocks(s.panels, bundle);
  const auto compute = [&](int64_t t) {
    const int64_t p0 = t * bundle, p1 = p0 + bundle < s.panels ? p0 + bundle : s.panels, j = s.j0 + p0 * NR;
    const int64_t count = (p1 * NR < s.width ? p1 * NR : s.width) - p0 * NR;
    float* pb = scratch(kPackB, bundle * NR * s.K + W);
    pack_panels<NR>(pb, NR * s.K, g.b + j * g.b_col + s.k0 * g.b_row, g.b_col, g.b_row, count, NR, s.K);
    for (int64_t p = p0; p < p1; p++) {
      float* panel = pb + (p - p0) * NR * s.K;
      in_bf16(g, s.pairs, panel, NR, s.K);
      for (int64_t r = 0; r < s.row_panels; r++) {
        const int64_t i = r * s.height;
        const int rows = static_cast<int>(g.M - i < s.height ? g.M - i : s.height);
        tile(g, i, s.j0 + p * NR, rows, s.K, s.pairs, pa + r * stride, panel, s.add, s.last);
      }
    }
  };
  tasks_of(s.threaded, groups, pack_a);
  tasks_of(s.threaded, bundles, compute);
}

}  // namespace

void gemm_packed(const Gemm& g) {
  const int64_t depth = blocks(g.K, blocks(g.K, kDepth)), row_panels = blocks(g.M, MR);
  const int64_t height = blocks(g.M, row_panels);  // 32 rows go as 11, 11, 10, not as 14, 14, 4
  const auto rows_at = [&](int64_t i) { return static_cast<int>(g.M - i < height ? g.M - i : height); };
  const bool pairs = g.bf16 && bf16_pairs_pay();
  const bool threaded = g.M * g.N * g.K > 1 << 18 && thread_limit() > 1;
  for (int64_t j0 = 0; j0 < g.N; j0 += kWidth) {
    const int64_t width = g.N - j0 < kWidth ? g.N - j0 : kWidth, panels = blocks(width, NR);
    for (int64_t k0 = 0; k0 < g.K; k0 += depth) {
      const int64_t K = g.K - k0 < depth ? g.K - k0 : depth;
      const bool add = g.accumulate || k0 > 0, last = k0 + K == g.K;
      const int64_t stride = MR * K + W;
      if (row_panels * stride <= kSmallSide && panels > row_panels) {
        columns_first(g, {j0, k0, K, width, height, row_panels, panels, add, last, pairs, threaded});
        continue;
      }
      float* pb = scratch(kPackB, panels * NR * K + W);
      const int64_t bundle = 4, bundles = blocks(panels, bundle);  // panels of B packed together
      const auto pack_b = [&](int64_t t) {
        const int64_t p = t * bundle, j = j0 + p * NR, end = j + bundle * NR;
        const int64_t count = (end < j0 + width ? end : j0 + width) - j;
        pack_panels<NR>(pb + p * NR * K, NR * K, g.b + j * g.b_col + k0 * g.b_row, g.b_col, g.b_row, count, NR, K);
        for (int64_t q = p; q < p + bundle && q < panels; q++) in_bf16(g, pairs, pb + q * NR * K, NR, K);
      };
      tasks_of(threaded, bundles, pack_b);

      // Tasks: groups of row panels; where these are few, the columns are divided too.
      int64_t group = kRowPanels, slices = 1;
      if (threaded) {
        const int64_t wanted = 4 * thread_limit();
        while (group > 1 && blocks(row_panels, group) < wanted) group = (group + 1) / 2;
        slices = blocks(wanted, blocks(row_panels, group));
        if (slices > panels) slices = panels;
      }
      const int64_t groups = blocks(row_panels, group), slice = blocks(panels, slices);
      const auto compute = [&](int64_t task) {
        const int64_t first = task / slices * group, p0 = task % slices * slice;
        const int64_t end = first + group < row_panels ? first + group : row_panels;
        const int64_t p1 = p0 + slice < panels ? p0 + slice : panels;
        float* pa = scratch(kPackA, (end - first) * stride);
        const int64_t i0 = first * height, rows = end * height < g.M ? (end - first) * height : g.M - i0;
        pack_panels<MR>(pa, stride, g.a + i0 * g.a_row + k0 * g.a_col, g.a_row, g.a_col, rows, height, K);
        for (int64_t r = first; r < end; r++) in_bf16(g, pairs, pa + (r - first) * stride, MR, K);
        for (int64_t p = p0; p < p1; p++)
          for (int64_t r = first; r < end; r++)
            tile(g, r * height, j0 + p * NR, rows_at(r * height), K, pairs, pa + (r - first) * stride, pb + p * NR * K, add, last);
      };
      tasks_of(threaded, groups * slices, compute);
    }
  }
}

}  // namespace FILATURE_ISA
}  // namespace filature
