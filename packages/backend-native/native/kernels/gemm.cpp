// Dense products: packed panels and register tiles (Goto and van de Geijn, 2008), with paths for what is small or thin.
#include "gemm.h"

#include "../pool.h"
#include "activation.h"
#include "bf16.h"
#include "kernels.h"
#include "micro.h"
#include "pack.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

template <int M_, int N_>
constexpr void fill(MicroTable& t) {
  t.packed[M_][N_] = micro_packed<M_, N_>;
  t.strided[M_][N_] = micro_strided<M_, N_>;
  if constexpr (N_ > 1) fill<M_, N_ - 1>(t);
  else if constexpr (M_ > 1) fill<M_ - 1, NV>(t);
}
template <int M_, int N_>
constexpr void fill_thin(MicroTable& t) {
  t.thin[M_][N_] = micro_strided<M_, N_>;
  if constexpr (N_ > 1) fill_thin<M_, N_ - 1>(t);
  else if constexpr (M_ > 1) fill_thin<M_ - 1, kThinVectors>(t);
}
constexpr MicroTable micro_table() {
  MicroTable t = {};
  fill<MR, NV>(t);
  fill_thin<kThinRows, kThinVectors>(t);
  return t;
}

constexpr int64_t kDepth = 384;       // k of a block: a panel of B, kDepth x NR, stays in the first cache
constexpr int64_t kWidth = 3072;      // n of a block: packed B stays in the shared cache
constexpr int64_t kSmallSide = 1 << 18; // floats of A that the second cache holds
constexpr int64_t kRowPanels = 8;     // panels of A in a task: they stay in the second cache

constexpr int64_t kFloatRows = 16;    // up to these many rows a product stays in float32
constexpr int64_t kCold = 1 << 20;    // floats of a C that the caches do not hold: its tiles are fetched ahead

int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

// Finished rows of C: the activation, and the copy from before it.
void finish(const Gemm& g, int64_t i, int64_t j, int64_t rows, int64_t width) {
  const float* from = (g.z ? g.z : g.c) + i * g.ldc + j;
  activate_rows(g.activation, from, g.c + i * g.ldc + j, g.ldc, rows, width);
}

// A tile of C at (i, j), any part of MR x NR; panels packed.
void tile(const Gemm& g, int64_t i, int64_t j, int rows, int64_t depth, bool pairs, const float* a, const float* b, bool add,
          bool last) {
  const int64_t K = pairs ? (depth + 1) / 2 : depth;
  const int columns = g.N - j < NR ? g.N - j : NR;
  float* out = (g.z ? g.z : g.c) + i * g.ldc + j;
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
  if (last && (g.activation != kNone || g.z)) finish(g, i, j, rows, columns);
}

void in_bf16(const Gemm& g, bool pairs, float* panel, int64_t P, int64_t K) {
  if (pairs) pair_bf16(panel, P, K);
  else if (g.bf16) round_bf16(panel, P * K);
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
  if (s.threaded) {
    parallel_for(groups, pack_a);
    parallel_for(bundles, compute);
    return;
  }
  for (int64_t t = 0; t < groups; t++) pack_a(t);
  for (int64_t t = 0; t < bundles; t++) compute(t);
}

void packed(const Gemm& g) {
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
      if (threaded && bundles > 1) parallel_for(bundles, pack_b);
      else for (int64_t t = 0; t < bundles; t++) pack_b(t);

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
      if (threaded) parallel_for(groups * slices, compute);
      else for (int64_t t = 0; t < groups * slices; t++) compute(t);
    }
  }
}

// Few rows, B row-major: B is read once where it lies.
void strided(const Gemm& g) {
  const bool thin = g.M <= kThinRows;
  const int64_t step = thin ? kThinWidth : NR;
  const auto columns = [&](int64_t p) {
    const int64_t j = p * step;
    const int width = g.N - j < step ? g.N - j : step;
    for (int64_t i = 0; i < g.M; i += MR) {
      const int rows = g.M - i < MR ? g.M - i : MR;
      float* out = (g.z ? g.z : g.c) + i * g.ldc + j;
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
      if (g.activation != kNone || g.z) finish(g, i, j, rows, width);
    }
  };
  const int64_t panels = blocks(g.N, step);
  if (g.M * g.N * g.K > 1 << 17) parallel_for(panels, columns);
  else for (int64_t p = 0; p < panels; p++) columns(p);
}

// R rows of A by C columns of B, both along k in memory: R * C dot products.
template <int R, int C>
void dots(const Gemm& g, int64_t i, int64_t j) {
  vf acc[R][C] = {};
  const float *a[R], *b[C];
  for (int r = 0; r < R; r++) a[r] = g.a + (i + r) * g.a_row;
  for (int c = 0; c < C; c++) b[c] = g.b + (j + c) * g.b_col;
  int64_t k = 0;
  for (; k + W <= g.K; k += W) {
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) {
      const vf y = load(b[c] + k);
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) acc[r][c] += load(a[r] + k) * y;
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) {
      float v = sum(acc[r][c]);
      for (int64_t t = k; t < g.K; t++) v += a[r][t] * b[c][t];
      if (g.bias) v += g.bias[j + c];
      float* out = (g.z ? g.z : g.c) + (i + r) * g.ldc + j + c;
      *out = g.accumulate ? v + *out : v;
    }
}

template <int R>
void dot_rows(const Gemm& g, int64_t i, int64_t j0, int64_t j1) {
  int64_t j = j0;
  for (; j + 4 <= j1; j += 4) dots<R, 4>(g, i, j);
  for (; j < j1; j++) dots<R, 1>(g, i, j);
}

// Few rows, B column-major (a weight (out, in)): dot products at the speed of memory.
void dotted(const Gemm& g) {
  constexpr int64_t kSlice = 64;
  const auto columns = [&](int64_t s) {
    const int64_t j0 = s * kSlice, j1 = j0 + kSlice < g.N ? j0 + kSlice : g.N;
    int64_t i = 0;
    for (; i + 4 <= g.M; i += 4) dot_rows<4>(g, i, j0, j1);
    if (g.M - i == 3) dot_rows<3>(g, i, j0, j1);
    if (g.M - i == 2) dot_rows<2>(g, i, j0, j1);
    if (g.M - i == 1) dot_rows<1>(g, i, j0, j1);
    if (g.activation != kNone || g.z) finish(g, 0, j0, g.M, j1 - j0);
  };
  const int64_t slices = blocks(g.N, kSlice);
  if (g.M * g.N * g.K > 1 << 17) parallel_for(slices, columns);
  else for (int64_t s = 0; s < slices; s++) columns(s);
}

}  // namespace

const MicroTable kMicro = micro_table();

void gemm(const Gemm& wanted) {
  Gemm g = wanted;
  if (g.M == 0 || g.N == 0) return;
  g.bf16 = g.bf16 && g.M > kFloatRows;  // on every instruction set alike
  const bool b_rows = g.b_col == 1 || g.N == 1, b_columns = g.b_row == 1 && g.a_col == 1;
  if (b_rows && (g.M <= MR || (g.M * g.N * g.K <= 1 << 13 && !g.bf16) || g.K == 0)) return strided(g);
  if (b_columns && g.M <= 4) return dotted(g);
  if (g.K == 0) {
    Gemm empty = g;
    empty.b_col = 1;
    return strided(empty);
  }
  packed(g);
}

void gemm_batched(const Gemm& first, int64_t batches, const int64_t* a_offset, const int64_t* b_offset) {
  const auto one = [&](int64_t i) {
    Gemm g = first;
    g.a += a_offset[i];
    g.b += b_offset[i];
    g.c += i * g.M * g.ldc;
    gemm(g);
  };
  if (batches >= thread_limit() && batches * first.M * first.N * first.K > 1 << 17) parallel_for(batches, one);
  else for (int64_t i = 0; i < batches; i++) one(i);
}

void activate_rows(Activation a, const float* x, float* y, int64_t step, int64_t rows, int64_t n) {
  with_activation(a, [&]<Activation A>() {
    for (int64_t r = 0; r < rows; r++) map(x + r * step, y + r * step, n, [](vf v) { return activate<A>(v); });
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
