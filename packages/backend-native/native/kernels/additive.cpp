// Scores of additive attention, v . tanh(a_t + b_s) (Bahdanau et al., 2015): the hidden layer (B, T, S, A) is never held.
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {

void additive_scores(const Additive& p, float* scores) {
  row_groups(p.B * p.T, p.S * p.A, [&](int64_t first, int64_t end) {
    for (int64_t row = first; row < end; row++) {
      const float *a = p.a + row * p.A, *b = p.b + row / p.T * p.S * p.A;
      for (int64_t s = 0; s < p.S; s++, b += p.A) {
        vf score = {};
        along(p.A, [&](int64_t c, int n) { score += at(p.v, c, n) * tanh(at(a, c, n) + at(b, c, n)); });
        scores[row * p.S + s] = sum(score);
      }
    }
  });
}

// Each task has W features of one batch to itself, so that all sums but those over batches stay in it.
void additive_scores_grad(const Additive& p, const float* dy, float* d_a, float* d_b, float* d_v) {
  const int64_t chunks = (p.A + W - 1) / W;
  float* sums = d_v ? scratch(kSums, p.B * p.A + 1) : nullptr;
  const auto task = [&](int64_t i) {
    const int64_t batch = i / chunks, c = i % chunks * W;
    const int n = static_cast<int>(p.A - c < W ? p.A - c : W);
    const vf v = at(p.v, c, n);
    const float *a = p.a + batch * p.T * p.A + c, *b = p.b + batch * p.S * p.A + c, *d = dy + batch * p.T * p.S;
    float* to_a = d_a ? d_a + batch * p.T * p.A + c : nullptr;
    float* to_b = d_b ? d_b + batch * p.S * p.A + c : nullptr;
    vf sum_v = {};
    if (to_b)
      for (int64_t s = 0; s < p.S; s++) put(to_b, s * p.A, vf{}, n);
    for (int64_t t = 0; t < p.T; t++) {
      const vf x = at(a, t * p.A, n);
      vf sum_a = {};
      for (int64_t s = 0; s < p.S; s++) {
        const vf h = tanh(x + at(b, s * p.A, n)), g = splat(d[t * p.S + s]);
        const vf dx = g * v * (1.0f - h * h);
        sum_v += g * h;
        sum_a += dx;
        if (to_b) put(to_b, s * p.A, at(to_b, s * p.A, n) + dx, n);
      }
      if (to_a) put(to_a, t * p.A, sum_a, n);
    }
    if (sums) put(sums, batch * p.A + c, sum_v, n);
  };
  if (p.B * p.T * p.S * p.A > 1 << 15) parallel_for(p.B * chunks, task);
  else for (int64_t i = 0; i < p.B * chunks; i++) task(i);
  if (!d_v) return;
  along(p.A, [&](int64_t c, int n) {
    vf total = {};
    for (int64_t batch = 0; batch < p.B; batch++) total += at(sums, batch * p.A + c, n);
    put(d_v, c, total, n);
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
