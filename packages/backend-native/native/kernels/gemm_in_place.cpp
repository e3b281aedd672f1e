// A product with a weight (out, in) of some tens to hundreds of rows, C^T = B^T A^T: a row of the weight is read number by
// number where it lies, and the few rows of A are what is packed. Packing the weight would take a fifth of the time.
#include "gemm_paths.h"

#include "micro_rows.h"
#include "pack.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr int64_t kDepth = 1024;            // k of a block
constexpr int64_t kSide = 1 << 18;          // floats of A that the second cache holds
constexpr int64_t kColumns = 96;            // columns of C, rows of the weight, in a task
constexpr int kTall = MR < 12 ? MR : 12;    // rows of a tile: their lines share the first cache, whatever lies between them
constexpr int64_t kRows = 24 * W;           // beyond these packing the weight pays
constexpr int64_t kGap = 16;                // floats between rounded rows

struct RowTable {
  RowMicro at[kTall + 1][NV + 1];
};
constexpr RowTable row_table() {
  RowTable t = {};
  each_size<kTall, NV>([&t]<int M_, int N_>() { t.at[M_][N_] = micro_rows<M_, N_>; });
  return t;
}
constexpr RowTable kRowMicro = row_table();

// Columns of C at (i, j) from a tile of C^T.
void put(const Gemm& g, const float* tile, int64_t i, int64_t j, int64_t rows, int columns, bool add, const float* bias) {
  for (int64_t r = 0; r < rows; r += W)
    for (int c = 0; c < columns; c += W) {
      const int part = columns - c < W ? columns - c : W;
      vf v[W];
#pragma GCC unroll 16
      for (int t = 0; t < W; t++) v[t] = t < part ? load(tile + (c + t) * NR + r) : vf{};
      transpose(v);
      const vf b = bias ? load_part(bias + c, part) : vf{};
#pragma GCC unroll 16
      for (int t = 0; t < W; t++) {
        if (r + t >= rows) break;
        float* to = sums(g, i + r + t, j + c);
        const vf sum = v[t] + b;
        store_part(to, add ? sum + load_part(to, part) : sum, part);
      }
    }
}

// One block of depth.
struct Depth {
  int64_t k0, K, steps;  // steps: numbers, or pairs of them
  bool pairs, add, last;
};

struct WeightRows {
  const float* at;
  int64_t pitch;
};

// Rows j .. j + count - 1 of the weight: where they lie, or rounded.
WeightRows weight_rows(const Gemm& g, const Depth& d, int64_t j, int count) {
  const float* lie = g.b + j * g.b_col + d.k0;
  if (!g.bf16) return {lie, g.b_col};
  const int64_t pitch = d.steps + kGap;
  float* rounded = scratch(kPackB, kTall * pitch);
  for (int r = 0; r < count; r++) {
    float* to = rounded + r * pitch;
    if (d.pairs) {
      pair_row_bf16(to, lie + r * g.b_col, d.K);
      continue;
    }
    std::memcpy(to, lie + r * g.b_col, d.K * sizeof(float));
    round_bf16(to, d.K);
  }
  return {rounded, pitch};
}

// Columns j .. j + count - 1 of C: the rows that were packed tile by tile, those left over as dot products. The next `after`
// rows of the weight are fetched meanwhile.
void columns_of(const Gemm& g, const Depth& d, const float* packed, int64_t rows, int64_t j, int count, int64_t after) {
  const WeightRows weight = weight_rows(g, d, j, count);
  const int64_t panels = blocks(rows, NR);
  alignas(64) float tile[blocks(kTall, W) * W * NR];
  for (int64_t p = 0; p < panels; p++) {
    const int64_t i = p * NR, height = least(NR, rows - i), from = after * p / panels;
    const Ahead ahead = {g.b + (j + count + from) * g.b_col + d.k0, g.b_col, after * (p + 1) / panels - from,
                         sums(g, i, j + count - 1), g.ldc, height};
    const int vectors = static_cast<int>(blocks(height, W));
    const RowMicro micro = d.pairs ? bf16_row_micro(count, vectors) : kRowMicro.at[count][vectors];
    micro(d.steps, weight.at, weight.pitch, packed + i * d.K, tile, ahead);
    put(g, tile, i, j, height, count, d.add, d.last && g.bias ? g.bias + j : nullptr);
  }
  if (rows == g.M) return;
  Gemm rest = g;
  rest.a += d.k0;
  rest.b += d.k0;
  rest.K = d.K;
  rest.accumulate = d.add;
  rest.bias = d.last ? g.bias : nullptr;
  dot_rows(rest, rows, g.M, j, j + count);
}

}  // namespace

bool in_place_pays(const Gemm& g) { return g.b_row == 1 && g.M <= kRows && g.M <= g.K; }

void gemm_in_place(const Gemm& g) {
  // Rows that would leave most of a vector empty are dot products.
  const int64_t left = g.M % W, rows = !g.bf16 && g.a_col == 1 && left <= W / 2 ? g.M - left : g.M;
  const int64_t panels = blocks(rows, NR), most = least(kDepth, kSide / (panels * NR + 1));
  const int64_t depth = blocks(g.K, blocks(g.K, most));
  const bool pairs = g.bf16 && bf16_pairs_pay();
  const bool threaded = g.M * g.N * g.K > 1 << 18 && thread_limit() > 1;
  int64_t columns = kColumns;
  while (columns > kTall && blocks(g.N, columns) < 4 * thread_limit()) columns /= 2;
  for (int64_t k0 = 0; k0 < g.K; k0 += depth) {
    const int64_t K = least(depth, g.K - k0);
    const Depth d = {k0, K, pairs ? (K + 1) / 2 : K, pairs, g.accumulate || k0 > 0, k0 + K == g.K};
    float* packed = scratch(kPackA, panels * NR * K + W);
    tasks_of(threaded, panels, [&](int64_t p) {
      const float* from = g.a + p * NR * g.a_row + k0 * g.a_col;
      float* to = packed + p * NR * K;
      pack_panel<NR>(to, from, g.a_row, g.a_col, static_cast<int>(least(NR, rows - p * NR)), K);
      in_bf16(g, pairs, to, NR, K);
    });
    tasks_of(threaded, blocks(g.N, columns), [&](int64_t t) {
      const int64_t j0 = t * columns, j1 = least(j0 + columns, g.N), tall = blocks(j1 - j0, blocks(j1 - j0, kTall));
      for (int64_t j = j0; j < j1; j += tall) {
        const int64_t count = least(tall, j1 - j);
        columns_of(g, d, packed, rows, j, static_cast<int>(count), least(tall, j1 - j - count));
      }
      if (d.last) finish(g, 0, j0, g.M, j1 - j0);
    });
  }
}

}  // namespace FILATURE_ISA
}  // namespace filature
