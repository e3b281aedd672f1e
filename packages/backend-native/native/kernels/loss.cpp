// Softmax cross-entropy on ids, with ignored labels and label smoothing (Szegedy et al., 2016).
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {

// loss = (1 - s) (lse - x[label]) + s (lse - mean x)
void cross_entropy(const float* logits, const int32_t* labels, int64_t rows, int64_t V, int32_t ignore, float smoothing,
                   float* loss, float* lse) {
  row_groups(rows, V, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* x = logits + r * V;
      const float m = max_row(x, V), shift = m == -__builtin_inff() ? 0.0f : m;
      const vf offset = splat(shift);
      const float total = shift + std::log(sum_of(x, V, [=](vf v) { return exp(v - offset); }));
      lse[r] = total;
      if (labels[r] == ignore) {
        loss[r] = 0;
        continue;
      }
      loss[r] = total - x[labels[r]];
      if (smoothing != 0) {
        const float mean = sum_of(x, V, [](vf v) { return v; }) / static_cast<float>(V);
        loss[r] = (1 - smoothing) * loss[r] + smoothing * (total - mean);
      }
    }
  });
}

void cross_entropy_grad(const float* logits, const int32_t* labels, const float* lse, const float* d_loss, int64_t rows,
                        int64_t V, int32_t ignore, float smoothing, float* d_logits) {
  const float spread = smoothing / static_cast<float>(V);
  row_groups(rows, V, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* x = logits + r * V;
      float* d = d_logits + r * V;
      if (labels[r] == ignore) {
        std::memset(d, 0, V * sizeof(float));
        continue;
      }
      const float scale = d_loss[r], shift = lse[r];
      int64_t i = 0;
      for (; i + W <= V; i += W) store(d + i, (exp(load(x + i) - shift) - spread) * scale);
      if (i < V) store_part(d + i, (exp(load_part(x + i, V - i) - shift) - spread) * scale, V - i);
      d[labels[r]] -= (1 - smoothing) * scale;
    }
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
