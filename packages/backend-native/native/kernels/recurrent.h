// What the forward and the backward pass of a recurrent layer share.
#pragma once
#include "kernels.h"
#include "micro.h"
#include "pack.h"
#include "../pool.h"

namespace filature {
namespace FILATURE_ISA {

FILATURE_INLINE int64_t gate_count(Cell cell) { return cell == kCellLstm ? 4 : cell == kCellGru ? 3 : 1; }
// What the reserve holds after the gates: the cells of an LSTM, a GRU's recurrent part of n.
FILATURE_INLINE float* reserve_tail(const Recurrent& r) { return r.reserve + r.T * r.B * gate_count(r.cell) * r.H; }

// A weight as the right side of a product with B rows, used at every step: columns in panels, k rows each.
struct Panels {
  int64_t width, depth, count;  // columns of a panel, rows, panels
  float* data;
  bool thin;

  // Thin panels are no wider than the columns want: those of 100 units then stay in a first cache of 48 KB.
  static int64_t width_for(int64_t B, int64_t N) {
    if (B > kThinRows) return NR;
    const int64_t panels = (N + kThinWidth - 1) / kThinWidth, columns = (N + panels - 1) / panels;
    return (columns + W - 1) / W * W;
  }
  static int64_t floats(int64_t B, int64_t K, int64_t N) {
    const int64_t w = width_for(B, N);
    return (N + w - 1) / w * w * K;
  }
  // Element (k, n) of the weight at x[n * minor + k * major].
  void pack(float* to, int64_t B, const float* x, int64_t minor, int64_t major, int64_t K, int64_t N) {
    thin = B <= kThinRows;
    width = width_for(B, N);
    depth = K;
    count = (N + width - 1) / width;
    data = to;
    for (int64_t p = 0; p < count; p++) {
      const int n = N - p * width < width ? N - p * width : width;
      float* panel = to + p * width * K;
      const float* from = x + p * width * minor;
      if (thin) pack_panel(width, panel, from, minor, major, n, K);
      else pack_panel<NR>(panel, from, minor, major, n, K);
    }
  }
  // c (B, n <= width of panel p) = or += a (B, depth) times panel p.
  void multiply(int64_t p, int64_t B, const float* a, int64_t lda, float* c, int64_t ldc, int64_t n, bool add) const {
    const int64_t groups = (B + MR - 1) / MR, height = (B + groups - 1) / groups;
    const int vectors = static_cast<int>((n + W - 1) / W);
    for (int64_t i = 0; i < B; i += height) {
      const int rows = static_cast<int>(B - i < height ? B - i : height);
      const Micro micro = thin ? kMicro.thin[rows][vectors] : kMicro.strided[rows][vectors];
      if (n % W == 0) {
        micro(depth, a + i * lda, lda, 1, data + p * width * depth, width, c + i * ldc, ldc, add, nullptr);
        continue;
      }
      alignas(64) float edge[(MR > 8 ? MR : 8) * (kThinWidth > NR ? kThinWidth : NR)];
      micro(depth, a + i * lda, lda, 1, data + p * width * depth, width, edge, width, false, nullptr);
      for (int r = 0; r < rows; r++) {
        float *to = c + (i + r) * ldc, *from = edge + r * width;
        int64_t j = 0;
        for (; j + W <= n; j += W) store(to + j, add ? load(to + j) + load(from + j) : load(from + j));
        const vf v = load_part(from + j, n - j);
        store_part(to + j, add ? load_part(to + j, n - j) + v : v, n - j);
      }
    }
  }
};

FILATURE_INLINE vf part_of(const float* p, int64_t part) { return part == W ? load(p) : load_part(p, part); }
FILATURE_INLINE void put_part(float* p, vf v, int64_t part) { part == W ? store(p, v) : store_part(p, v, part); }

// Samples [from, from + count) of a batch.
struct Rows {
  int64_t from, count;
};

// Who does what over the threads. Small steps are too short to meet after each: every thread takes some samples through
// the whole sequence. In large ones each takes some of the units, so that a weight is read once.
template <typename F>
FILATURE_INLINE void over_samples(int64_t B, int64_t step_work, int64_t steps, const F& sequence) {
  constexpr int64_t kLargeStep = 1 << 20, kShare = 8;
  const int64_t shares = step_work >= kLargeStep || step_work * steps < kLargeStep ? 1 : (B + kShare - 1) / kShare;
  if (shares < 2) return sequence(Rows{0, B});
  parallel_for(shares, [&](int64_t s) {
    const int64_t from = B * s / shares;
    sequence(Rows{from, B * (s + 1) / shares - from});
  });
}

// Runs `slice(p)` for the panels of one step; on several threads where all samples go together and have enough to do.
template <typename F>
FILATURE_INLINE void step_panels(int64_t panels, int64_t work, bool together, const F& slice) {
  if (together && work > 1 << 16 && panels > 1) parallel_for(panels, slice);
  else for (int64_t p = 0; p < panels; p++) slice(p);
}

}  // namespace FILATURE_ISA
}  // namespace filature
