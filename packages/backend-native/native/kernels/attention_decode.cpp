// Attention of a few queries over a long cache: keys are read once, in parts that threads share (Dao et al., 2023,
// "Flash-Decoding"); the parts are the same whatever the threads.
#include "attention.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {

void decode_attention(const Attention& a) {
  constexpr int64_t kPart = 512;
  const int64_t heads = a.H / a.G, parts = blocks(a.S, kPart), D = a.D, E = a.E, size = E + 2;
  // (B, G, parts, T, heads): sums of values, then the peak and the total
  float* partial = scratch(kExtra, a.B * a.G * parts * a.T * heads * size);
  const auto task = [&](int64_t i) {
    const int64_t part = i % parts, g = i / parts % a.G, b = i / parts / a.G;
    const int64_t k0 = part * kPart, end = k0 + kPart < a.S ? k0 + kPart : a.S;
    float* scores = scratch(kTile, heads * kPart);
    for (int64_t t = 0; t < a.T; t++) {
      const Visible see = visible(a, t);
      const int64_t from = see.begin > k0 ? see.begin : k0, to = see.end < end ? see.end : end, n = to - from;
      float* sums = partial + ((i * a.T + t) * heads) * size;
      for (int64_t h = 0; h < heads; h++) {
        std::memset(sums + h * size, 0, size * sizeof(float));
        sums[h * size + E] = -__builtin_inff();
      }
      if (n <= 0) continue;
      const float* q = a.q + ((b * a.T + t) * a.H + g * heads) * D;
      gemm({heads, n, D, q, D, 1, a.k + ((b * a.S + from) * a.G + g) * D, 1, a.G * D, scores, kPart});
      for (int64_t h = 0; h < heads; h++) {
        float* s = scores + h * kPart;
        for (int64_t k = 0; k < n; k++) s[k] *= a.scale;
        if (a.bias) {
          const float* bias = bias_row(a, b, g * heads + h, t) + from * a.bias_step[3];
          for (int64_t k = 0; k < n; k++) s[k] += bias[k * a.bias_step[3]];
        }
        const float peak = max_row(s, n), shift = peak == -__builtin_inff() ? 0.0f : peak;
        float total = 0;
        int64_t k = 0;
        vf totals = {};
        for (; k + W <= n; k += W) {
          const vf e = exp(load(s + k) - shift);
          totals += e;
          store(s + k, e);
        }
        for (; k < n; k++) total += s[k] = exp(splat(s[k] - shift))[0];
        sums[h * size + E] = peak;
        sums[h * size + E + 1] = total + sum(totals);
      }
      gemm({heads, E, n, scores, kPart, 1, a.v + ((b * a.S + from) * a.G + g) * E, a.G * E, 1, sums, size});
    }
  };
  const int64_t tasks = a.B * a.G * parts;
  if (tasks * kPart * (D + E) * heads * a.T > 1 << 16) parallel_for(tasks, task);
  else for (int64_t i = 0; i < tasks; i++) task(i);

  for (int64_t b = 0; b < a.B; b++)
    for (int64_t t = 0; t < a.T; t++)
      for (int64_t h = 0; h < a.H; h++) {
        const auto part_of = [&](int64_t p) {
          return partial + ((((b * a.G + h / heads) * parts + p) * a.T + t) * heads + h % heads) * size;
        };
        float peak = -__builtin_inff(), total = 0;
        for (int64_t p = 0; p < parts; p++) peak = part_of(p)[E] > peak ? part_of(p)[E] : peak;
        float* out = a.out + ((b * a.T + t) * a.H + h) * E;
        std::memset(out, 0, E * sizeof(float));
        for (int64_t p = 0; p < parts && peak != -__builtin_inff(); p++) {
          const float factor = std::exp(part_of(p)[E] - peak);
          total += part_of(p)[E + 1] * factor;
          for (int64_t e = 0; e < E; e++) out[e] += part_of(p)[e] * factor;
        }
        if (total != 0)
          for (int64_t e = 0; e < E; e++) out[e] /= total;
        if (a.lse) a.lse[(b * a.H + h) * a.T + t] = total == 0 ? -__builtin_inff() : peak + std::log(total);
      }
}

}  // namespace FILATURE_ISA
}  // namespace filature
