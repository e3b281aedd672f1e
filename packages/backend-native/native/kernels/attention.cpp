// Attention without the (T, S) scores (Dao et al., 2022): a block of keys at a time, with a running maximum and sum.
#include "attention.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr int64_t kChunk = 256;  // queries of a task, about

// The softmax of one row of scores against what came before it; returns the factor for what came before.
FILATURE_INLINE float row_softmax(float* s, int64_t n, float& peak, float& total) {
  vf top = splat(peak);
  int64_t i = 0;
  for (; i + W <= n; i += W) top = max(load(s + i), top);
  float m = max_of(top);
  for (; i < n; i++) m = s[i] > m ? s[i] : m;
  const float shift = m == -__builtin_inff() ? 0.0f : m;
  vf sums = {};
  for (i = 0; i + W <= n; i += W) {
    const vf e = exp(load(s + i) - shift);
    sums += e;
    store(s + i, e);
  }
  if (i < n) {
    const vf e = exp(load_part(s + i, n - i, -__builtin_inff()) - shift);
    sums += e;
    store_part(s + i, e, n - i);
  }
  const float more = sum(sums);
  const float factor = peak == m ? 1.0f : std::exp(peak - shift);
  total = total * factor + more;
  peak = m;
  return factor;
}

// Queries t0..t1-1 of head h of batch b.
void attend(const Attention& a, int64_t b, int64_t h, int64_t t0, int64_t t1) {
  const int64_t D = a.D, E = a.E, Ep = padded(E), g = h / (a.H / a.G), rows = t1 - t0, panels = blocks(rows, MR);
  const int64_t panel_size = D * MR + W;
  float* queries = scratch(kPackA, panels * panel_size);
  float* keys = scratch(kPackB, kKeys * D + kKeys * Ep + W);
  float* values = keys + kKeys * D;
  float* scores = scratch(kTile, MR * kKeys);
  float* out = scratch(kRows, rows * (Ep + 2));
  float *peak = out + rows * Ep, *total = peak + rows;
  pack_rows(queries, a.q + ((b * a.T + t0) * a.H + h) * D, a.H * D, rows, D, a.scale);
  std::memset(out, 0, rows * Ep * sizeof(float));
  for (int64_t r = 0; r < rows; r++) {
    peak[r] = -__builtin_inff();
    total[r] = 0;
  }
  const int64_t first = visible(a, t0).begin, last = visible(a, t1 - 1).end;
  for (int64_t k0 = first / kKeys * kKeys; k0 < last; k0 += kKeys) {
    const int64_t count = last - k0 < kKeys ? last - k0 : kKeys;
    pack_keys(keys, a.k + ((b * a.S + k0) * a.G + g) * D, a.G * D, count, D);
    copy_padded(values, a.v + ((b * a.S + k0) * a.G + g) * E, a.G * E, count, E, 1.0f);
    for (int64_t p = 0; p < panels; p++) {
      const int64_t r0 = p * MR;
      const int height = rows - r0 < MR ? rows - r0 : MR;
      const int64_t end = visible(a, t0 + r0 + height - 1).end - k0, n = end < count ? end : count;
      if (n <= 0 || visible(a, t0 + r0).begin >= k0 + count) continue;
      panel_scores(scores, height, queries + p * panel_size, keys, n, D);
      for (int r = 0; r < height; r++) {
        const int64_t t = t0 + r0 + r;
        float* s = scores + r * kKeys;
        const Visible see = visible(a, t);
        if (a.bias) {
          const float* bias = bias_row(a, b, h, t) + k0 * a.bias_step[3];
          for (int64_t i = 0; i < n; i++) s[i] += bias[i * a.bias_step[3]];
        }
        for (int64_t i = 0; i < n && i < see.begin - k0; i++) s[i] = -__builtin_inff();
        for (int64_t i = see.end - k0 < 0 ? 0 : see.end - k0; i < n; i++) s[i] = -__builtin_inff();
        const float factor = row_softmax(s, n, peak[r0 + r], total[r0 + r]);
        if (a.dropout) apply_dropout(a, b, h, t, k0, s, n);
        if (factor != 1.0f) {
          float* o = out + (r0 + r) * Ep;
          for (int64_t i = 0; i < Ep; i += W) store(o + i, load(o + i) * factor);
        }
      }
      accumulate(height, Ep, n, scores, kKeys, 1, values, Ep, out + r0 * Ep, Ep);
    }
  }
  for (int64_t r = 0; r < rows; r++) {
    float* to = a.out + ((b * a.T + t0 + r) * a.H + h) * E;
    if (r + kAhead < rows)
      for (int64_t i = 0; i < E; i += 16) __builtin_prefetch(to + kAhead * a.H * E + i, 1);
    const float scale = total[r] > 0 ? 1.0f / total[r] : total[r] == 0 ? 0.0f : total[r];
    for (int64_t i = 0; i < E; i++) to[i] = out[r * Ep + i] * scale;
    if (a.lse) a.lse[(b * a.H + h) * a.T + t0 + r] = total[r] == 0 ? -__builtin_inff() : peak[r] + std::log(total[r]);
  }
}

}  // namespace

void attention(const Attention& a) {
  if (a.B == 0 || a.T == 0 || a.H == 0) return;
  if (a.T <= 4 && a.S > 16 && !a.dropout) return decode_attention(a);
  const int64_t chunks = blocks(a.T, kChunk), size = blocks(blocks(a.T, chunks), MR) * MR;
  const auto task = [&](int64_t i) {
    const int64_t t0 = i % chunks * size, t1 = t0 + size < a.T ? t0 + size : a.T, head = i / chunks;
    if (t0 >= t1) return;
    attend(a, head / a.H, head % a.H, t0, t1);
  };
  const int64_t tasks = a.B * a.H * chunks;
  if (a.B * a.H * a.T * a.S * a.D > 1 << 16) parallel_for(tasks, task);
  else for (int64_t i = 0; i < tasks; i++) task(i);
}

}  // namespace FILATURE_ISA
}  // namespace filature
