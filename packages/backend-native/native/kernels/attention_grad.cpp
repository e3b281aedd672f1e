// The gradient of attention, with the probabilities computed again block by block from the saved log-sums.
//   P = exp(scale Q K^T + bias - lse), dV = (P M)^T dO, dP = M (dO V^T), dS = P (dP - delta), delta = rows of dO . O,
//   dQ = scale dS K, dK = scale dS^T Q, dbias = dS; M is what dropout lets through, over 1 - rate.
// A task has one key head with all its queries, so that nothing is written by two and sums keep their order.
#include "attention.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

// What a task holds for one head: queries, output gradients and the growing query gradients.
struct Head {
  float *q_panels, *d_panels;  // left sides
  float *q, *d_out, *d_q;      // rows, padded
  float *delta, *lse;
};
// And for one block of keys.
struct Block {
  float *k_panels, *v_panels, *k, *d_k, *d_v;
  float *P, *dS;               // (kQueries, kKeys)
};

// P and dS of one row: s holds the scores and dp the products with the values.
void row_gradient(const Attention& a, int64_t b, int64_t h, int64_t t, int64_t k0, int64_t n, float delta, float lse, float* s,
                  float* dp, float* d_bias) {
  const Visible see = visible(a, t);
  int64_t begin = see.begin > k0 ? see.begin - k0 : 0, end = see.end - k0 < n ? see.end - k0 : n;
  if (lse == -__builtin_inff() || end < begin) begin = end = 0;
  if (a.bias) {
    const float* bias = bias_row(a, b, h, t) + k0 * a.bias_step[3];
    for (int64_t i = begin; i < end; i++) s[i] += bias[i * a.bias_step[3]];
  }
  for (int64_t i = 0; i < begin; i++) s[i] = -__builtin_inff();
  for (int64_t i = end; i < n; i++) s[i] = -__builtin_inff();
  const float shift = lse == -__builtin_inff() ? 0.0f : lse;
  if (a.dropout) apply_dropout(a, b, h, t, k0, dp, n);
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const vf p = exp(load(s + i) - shift);
    store(s + i, p);
    store(dp + i, select(p > 0.0f, p * (load(dp + i) - delta), vf{}));
  }
  for (; i < n; i++) {
    s[i] = exp(splat(s[i] - shift))[0];
    dp[i] = s[i] > 0.0f ? s[i] * (dp[i] - delta) : 0.0f;
  }
  if (d_bias) std::memcpy(d_bias + begin, dp + begin, (end - begin) * sizeof(float));
  if (a.dropout) apply_dropout(a, b, h, t, k0, s, n);
}

// dK and dV of a block from queries t0..t0+rows-1; a panel of keys leaves out the queries that come before it.
void key_gradients(const AttentionGrad& g, const Head& head, const Block& x, int64_t k0, int64_t n, int64_t t0, int64_t rows) {
  const Attention& a = g.forward;
  const int64_t Dp = padded(a.D), Ep = padded(a.E);
  for (int64_t i = 0; i < n; i += MR) {
    const int64_t height = n - i < MR ? n - i : MR;
    int64_t skip = k0 + i - a.right - (a.S - a.T) - t0;  // the first query that sees key k0 + i
    skip = skip < 0 ? 0 : skip;
    if (skip >= rows) continue;
    const int64_t K = rows - skip;
    if (g.d_v) {
      accumulate(height, Ep, K, x.P + skip * kKeys + i, 1, kKeys, head.d_out + (t0 + skip) * Ep, Ep, x.d_v + i * Ep, Ep);
    }
    if (g.d_k) {
      accumulate(height, Dp, K, x.dS + skip * kKeys + i, 1, kKeys, head.q + (t0 + skip) * Dp, Dp, x.d_k + i * Dp, Dp);
    }
  }
}

void block_gradients(const AttentionGrad& g, const Head& head, const Block& x, int64_t b, int64_t h, int64_t k0, int64_t n) {
  const Attention& a = g.forward;
  const int64_t D = a.D, E = a.E, Dp = padded(D);
  for (int64_t t0 = 0; t0 < a.T; t0 += kQueries) {
    const int64_t rows = a.T - t0 < kQueries ? a.T - t0 : kQueries;
    if (visible(a, t0 + rows - 1).end <= k0 || visible(a, t0).begin >= k0 + n) continue;
    for (int64_t r0 = 0; r0 < rows; r0 += MR) {
      const int height = rows - r0 < MR ? rows - r0 : MR;
      const int64_t end = visible(a, t0 + r0 + height - 1).end - k0, m = end < n ? end : n;
      float *P = x.P + r0 * kKeys, *dS = x.dS + r0 * kKeys;
      const auto clear_hidden = [&] {  // the scores spill up to a panel's width into the keys that no query here sees
        const int64_t from = m < 0 ? 0 : m;
        for (int r = 0; r < height && from < n; r++) {
          std::memset(P + r * kKeys + from, 0, (n - from) * sizeof(float));
          std::memset(dS + r * kKeys + from, 0, (n - from) * sizeof(float));
        }
      };
      if (m <= 0) {
        clear_hidden();
        continue;
      }
      const int64_t panel = (t0 + r0) / MR;
      panel_scores(P, height, head.q_panels + panel * (D * MR + W), x.k_panels, m, D);
      panel_scores(dS, height, head.d_panels + panel * (E * MR + W), x.v_panels, m, E);
      for (int r = 0; r < height; r++) {
        const int64_t t = t0 + r0 + r;
        float* d_bias = g.d_bias ? g.d_bias + ((b * a.H + h) * a.T + t) * a.S + k0 : nullptr;
        row_gradient(a, b, h, t, k0, m, head.delta[t], head.lse[t], P + r * kKeys, dS + r * kKeys, d_bias);
      }
      clear_hidden();
      if (g.d_q) accumulate(height, Dp, m, dS, kKeys, 1, x.k, Dp, head.d_q + (t0 + r0) * Dp, Dp);
    }
    key_gradients(g, head, x, k0, n, t0, rows);
  }
}

// Rows of a block, padded, added to or put into (B,S,G,width).
void hand_out(float* to, int64_t step, const float* x, int64_t rows, int64_t columns, bool add) {
  const int64_t width = padded(columns);
  for (int64_t r = 0; r < rows; r++, to += step, x += width) {
    if (r + kAhead < rows)
      for (int64_t c = 0; c < columns; c += 16) __builtin_prefetch(to + kAhead * step + c, 1);
    int64_t c = 0;
    for (; c + W <= columns; c += W) store(to + c, add ? load(to + c) + load(x + c) : load(x + c));
    for (; c < columns; c++) to[c] = add ? to[c] + x[c] : x[c];
  }
}

FILATURE_INLINE float dot(const float* a, const float* b, int64_t n) {
  vf v = {};
  int64_t i = 0;
  for (; i + W <= n; i += W) v += load(a + i) * load(b + i);
  float s = sum(v);
  for (; i < n; i++) s += a[i] * b[i];
  return s;
}

void group_gradients(const AttentionGrad& g, int64_t b, int64_t group) {
  const Attention& a = g.forward;
  const int64_t T = a.T, S = a.S, D = a.D, E = a.E, Dp = padded(D), Ep = padded(E), heads = a.H / a.G, panels = blocks(T, MR);
  float* at = scratch(kRows, panels * (D * MR + E * MR + 2 * W) + T * (2 * Dp + Ep) + 2 * padded(T));
  const auto take = [&](int64_t floats) { float* p = at; at += floats; return p; };
  Head head;
  head.q = take(T * Dp);
  head.d_out = take(T * Ep);
  head.d_q = take(T * Dp);
  head.delta = take(padded(T));
  head.lse = take(padded(T));
  head.q_panels = take(panels * (D * MR + W));
  head.d_panels = take(panels * (E * MR + W));
  at = scratch(kTile, kKeys * (D + E + 2 * Dp + Ep) + 2 * kQueries * kKeys + W);
  Block x;
  x.k = take(kKeys * Dp);
  x.d_k = take(kKeys * Dp);
  x.d_v = take(kKeys * Ep);
  x.P = take(kQueries * kKeys);
  x.dS = take(kQueries * kKeys);
  x.k_panels = take(kKeys * D);
  x.v_panels = take(kKeys * E);
  for (int64_t i = 0; i < heads; i++) {
    const int64_t h = group * heads + i;
    const float *q = a.q + (b * T * a.H + h) * D, *d = g.d_out + (b * T * a.H + h) * E, *o = a.out + (b * T * a.H + h) * E;
    pack_rows(head.q_panels, q, a.H * D, T, D, a.scale);
    pack_rows(head.d_panels, d, a.H * E, T, E, 1.0f);
    copy_padded(head.q, q, a.H * D, T, D, a.scale);
    copy_padded(head.d_out, d, a.H * E, T, E, 1.0f);
    std::memset(head.d_q, 0, T * Dp * sizeof(float));
    for (int64_t t = 0; t < T; t++) {
      if (t + kAhead < T) fetch(o + (t + kAhead) * a.H * E, E);
      head.delta[t] = dot(head.d_out + t * Ep, o + t * a.H * E, E);
      head.lse[t] = a.lse[(b * a.H + h) * T + t];
    }
    for (int64_t k0 = 0; k0 < S; k0 += kKeys) {
      const int64_t n = S - k0 < kKeys ? S - k0 : kKeys;
      const float *k = a.k + ((b * S + k0) * a.G + group) * D, *v = a.v + ((b * S + k0) * a.G + group) * E;
      pack_keys(x.k_panels, k, a.G * D, n, D);
      pack_keys(x.v_panels, v, a.G * E, n, E);
      copy_padded(x.k, k, a.G * D, n, D, a.scale);
      std::memset(x.d_k, 0, n * Dp * sizeof(float));
      std::memset(x.d_v, 0, n * Ep * sizeof(float));
      block_gradients(g, head, x, b, h, k0, n);
      if (g.d_k) hand_out(g.d_k + ((b * S + k0) * a.G + group) * D, a.G * D, x.d_k, n, D, i > 0);
      if (g.d_v) hand_out(g.d_v + ((b * S + k0) * a.G + group) * E, a.G * E, x.d_v, n, E, i > 0);
    }
    if (g.d_q) hand_out(g.d_q + (b * T * a.H + h) * D, a.H * D, head.d_q, T, D, false);
  }
}

}  // namespace

void attention_grad(const AttentionGrad& g) {
  const Attention& a = g.forward;
  if (g.d_bias) std::memset(g.d_bias, 0, a.B * a.H * a.T * a.S * sizeof(float));
  const int64_t tasks = a.B * a.G;
  const auto task = [&](int64_t i) { group_gradients(g, i / a.G, i % a.G); };
  if (a.B * a.H * a.T * a.S * a.D > 1 << 16) parallel_for(tasks, task);
  else for (int64_t i = 0; i < tasks; i++) task(i);
}

}  // namespace FILATURE_ISA
}  // namespace filature
