// Attention.
#include "call.h"

namespace filature {

Philox philox_of(Call& c);

namespace {

// B, T, S, H, G, D, E, bias steps (4), scale, left, right, with dropout, key (2), counter (2), threshold, keep scale,
// q, k, v, bias?
bool read(Call& c, Attention& a, Philox& p) {
  a = {};
  a.B = c.size("B");
  a.T = c.size("T");
  a.S = c.size("S");
  a.H = c.size("H");
  a.G = c.size("G");
  a.D = c.size("D");
  a.E = c.size("E");
  if (c.ok() && (a.G == 0 ? a.H != 0 : a.H % a.G != 0)) c.fail("G", "a divisor of H");
  for (int64_t& s : a.bias_step) s = c.step("bias step");
  a.scale = c.real("scale");
  const int64_t far = int64_t{1} << 40;
  const double left = c.number("left"), right = c.number("right");
  if (c.ok() && !(left >= 0 && right >= 0)) c.fail("window", "not negative");
  if (!c.ok()) return false;
  a.left = left < static_cast<double>(far) ? static_cast<int64_t>(left) : far;
  a.right = right < static_cast<double>(far) ? static_cast<int64_t>(right) : far;
  const bool dropout = c.flag("dropout");
  p = philox_of(c);
  if (dropout) a.dropout = &p;
  if (c.ok() && dropout && count_of(a.B, a.H, a.T, a.S) > int64_t{1} << 33) c.fail("dropout", "on at most 2^33 scores");
  a.q = c.floats("q", count_of(a.B, a.T, a.H, a.D));
  a.k = c.floats("k", count_of(a.B, a.S, a.G, a.D));
  a.v = c.floats("v", count_of(a.B, a.S, a.G, a.E));
  int64_t bias = 1;
  const int64_t sizes[4] = {a.B, a.H, a.T, a.S};
  for (int i = 0; i < 4; i++) bias += sizes[i] ? count_of(sizes[i] - 1, a.bias_step[i]) : 0;
  a.bias = c.maybe_floats("bias", bias);
  return c.ok();
}

// attention(..., out, lse?)
napi_value js_attention(napi_env env, napi_callback_info info) {
  Call c(env, info, "attention");
  Attention a;
  Philox p;
  if (!read(c, a, p)) return nullptr;
  a.out = c.floats("out", count_of(a.B, a.T, a.H, a.E));
  a.lse = c.maybe_floats("lse", count_of(a.B, a.H, a.T));
  if (c.ok()) kernels().attention(a);
  return nullptr;
}

// attentionGrad(..., out, lse, dOut, dQ?, dK?, dV?, dBias?)
napi_value js_attention_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "attentionGrad");
  AttentionGrad g = {};
  Philox p;
  if (!read(c, g.forward, p)) return nullptr;
  Attention& a = g.forward;
  a.out = c.floats("out", count_of(a.B, a.T, a.H, a.E));
  a.lse = c.floats("lse", count_of(a.B, a.H, a.T));
  g.d_out = c.floats("dOut", count_of(a.B, a.T, a.H, a.E));
  g.d_q = c.maybe_floats("dQ", count_of(a.B, a.T, a.H, a.D));
  g.d_k = c.maybe_floats("dK", count_of(a.B, a.S, a.G, a.D));
  g.d_v = c.maybe_floats("dV", count_of(a.B, a.S, a.G, a.E));
  g.d_bias = c.maybe_floats("dBias", count_of(a.B, a.H, a.T, a.S));
  if (c.ok()) kernels().attention_grad(g);
  return nullptr;
}

}  // namespace

namespace {

Additive additive_of(Call& c) {
  Additive p;
  p.B = c.size("B");
  p.T = c.size("T");
  p.S = c.size("S");
  p.A = c.size("A");
  if (c.ok() && p.A == 0) c.fail("A", "above 0");
  p.a = c.floats("a", count_of(p.B, p.T, p.A));
  p.b = c.floats("b", count_of(p.B, p.S, p.A));
  p.v = c.floats("v", p.A);
  return p;
}

// additiveScores(B, T, S, A, a, b, v, scores)
napi_value js_additive_scores(napi_env env, napi_callback_info info) {
  Call c(env, info, "additiveScores");
  const Additive p = additive_of(c);
  float* scores = c.floats("scores", count_of(p.B, p.T, p.S));
  if (c.ok()) kernels().additive_scores(p, scores);
  return nullptr;
}

// additiveScoresGrad(B, T, S, A, a, b, v, dScores, dA?, dB?, dV?)
napi_value js_additive_scores_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "additiveScoresGrad");
  const Additive p = additive_of(c);
  const float* dy = c.floats("dScores", count_of(p.B, p.T, p.S));
  float* d_a = c.maybe_floats("dA", count_of(p.B, p.T, p.A));
  float* d_b = c.maybe_floats("dB", count_of(p.B, p.S, p.A));
  float* d_v = c.maybe_floats("dV", p.A);
  if (c.ok()) kernels().additive_scores_grad(p, dy, d_a, d_b, d_v);
  return nullptr;
}

}  // namespace

void register_attention(napi_env env, napi_value exports) {
  const Export all[] = {{"attention", js_attention}, {"attentionGrad", js_attention_grad},
                        {"additiveScores", js_additive_scores}, {"additiveScoresGrad", js_additive_scores_grad}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
