// Norms, rotary positions, cross-entropy, dropout.
#include "call.h"

namespace filature {

Philox philox_of(Call& c) {
  Philox p;
  for (uint32_t& k : p.key) k = c.word("key");
  for (uint32_t& k : p.counter) k = c.word("counter");
  p.threshold = c.word("threshold");
  p.scale = c.real("scale");
  return p;
}

namespace {

// layerNorm(rows, columns, eps, x, weight?, bias?, y, mean?, rstd?)
napi_value js_layer_norm(napi_env env, napi_callback_info info) {
  Call c(env, info, "layerNorm");
  const auto [rows, columns, n] = Rows(c);
  const float eps = c.real("eps");
  const float* x = c.floats("x", n);
  const float* weight = c.maybe_floats("weight", columns);
  const float* bias = c.maybe_floats("bias", columns);
  float* y = c.floats("y", n);
  float* mean = c.maybe_floats("mean", rows);
  float* rstd = c.maybe_floats("rstd", rows);
  if (c.ok()) kernels().layer_norm(x, weight, bias, eps, rows, columns, y, mean, rstd);
  return nullptr;
}

// layerNormGrad(rows, columns, x, weight?, mean, rstd, dy, dx?, dWeight?, dBias?)
napi_value js_layer_norm_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "layerNormGrad");
  const auto [rows, columns, n] = Rows(c);
  const float* x = c.floats("x", n);
  const float* weight = c.maybe_floats("weight", columns);
  const float* mean = c.floats("mean", rows);
  const float* rstd = c.floats("rstd", rows);
  const float* dy = c.floats("dy", n);
  float* dx = c.maybe_floats("dx", n);
  float* d_weight = c.maybe_floats("dWeight", columns);
  float* d_bias = c.maybe_floats("dBias", columns);
  if (c.ok()) kernels().layer_norm_grad(x, weight, mean, rstd, dy, rows, columns, dx, d_weight, d_bias);
  return nullptr;
}

// rmsNorm(rows, columns, eps, x, weight, y, rstd?)
napi_value js_rms_norm(napi_env env, napi_callback_info info) {
  Call c(env, info, "rmsNorm");
  const auto [rows, columns, n] = Rows(c);
  const float eps = c.real("eps");
  const float* x = c.floats("x", n);
  const float* weight = c.floats("weight", columns);
  float* y = c.floats("y", n);
  float* rstd = c.maybe_floats("rstd", rows);
  if (c.ok()) kernels().rms_norm(x, weight, eps, rows, columns, y, rstd);
  return nullptr;
}

// rmsNormGrad(rows, columns, x, weight, rstd, dy, dx?, dWeight?)
napi_value js_rms_norm_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "rmsNormGrad");
  const auto [rows, columns, n] = Rows(c);
  const float* x = c.floats("x", n);
  const float* weight = c.floats("weight", columns);
  const float* rstd = c.floats("rstd", rows);
  const float* dy = c.floats("dy", n);
  float* dx = c.maybe_floats("dx", n);
  float* d_weight = c.maybe_floats("dWeight", columns);
  if (c.ok()) kernels().rms_norm_grad(x, weight, rstd, dy, rows, columns, dx, d_weight);
  return nullptr;
}

// rotary(B, T, H, D, R, perBatch, interleaved, inverse, x, cos, sin, y)
napi_value js_rotary(napi_env env, napi_callback_info info) {
  Call c(env, info, "rotary");
  const int64_t B = c.size("B"), T = c.size("T"), H = c.size("H"), D = c.size("D"), R = c.size("R");
  if (c.ok() && (R > D || R % 2)) c.fail("R", "even and at most D");
  const bool per_batch = c.flag("perBatch"), interleaved = c.flag("interleaved"), inverse = c.flag("inverse");
  const int64_t n = count_of(B, T, H, D), angles = count_of(per_batch ? B : 1, T, R / 2);
  const float* x = c.floats("x", n);
  const float* cos = c.floats("cos", angles);
  const float* sin = c.floats("sin", angles);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().rotary(x, cos, sin, B, T, H, D, R, per_batch, interleaved, inverse, y);
  return nullptr;
}

// rows, V, ignore, smoothing, logits, labels
struct Labelled {
  Rows size;
  int32_t ignore;
  float smoothing;
  const float* logits;
  const int32_t* labels;
  explicit Labelled(Call& c)
      : size(c, "V"), ignore(c.integer("ignore")), smoothing(c.real("smoothing")),
        logits(c.floats("logits", size.n)), labels(c.ints("labels", size.rows)) {
    c.check_ids("labels", labels, size.rows, size.columns, ignore);
  }
};

// crossEntropy(..., loss, lse)
napi_value js_cross_entropy(napi_env env, napi_callback_info info) {
  Call c(env, info, "crossEntropy");
  const Labelled l(c);
  float* loss = c.floats("loss", l.size.rows);
  float* lse = c.floats("lse", l.size.rows);
  if (c.ok()) kernels().cross_entropy(l.logits, l.labels, l.size.rows, l.size.columns, l.ignore, l.smoothing, loss, lse);
  return nullptr;
}

// crossEntropyGrad(..., lse, dLoss, dLogits)
napi_value js_cross_entropy_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "crossEntropyGrad");
  const Labelled l(c);
  const float* lse = c.floats("lse", l.size.rows);
  const float* d_loss = c.floats("dLoss", l.size.rows);
  float* d_logits = c.floats("dLogits", l.size.n);
  if (c.ok())
    kernels().cross_entropy_grad(l.logits, l.labels, lse, d_loss, l.size.rows, l.size.columns, l.ignore, l.smoothing, d_logits);
  return nullptr;
}

// dropout(n, k0, k1, c0, c1, threshold, scale, x, y)
napi_value js_dropout(napi_env env, napi_callback_info info) {
  Call c(env, info, "dropout");
  const int64_t n = c.size("n", int64_t{1} << 33);
  const Philox p = philox_of(c);
  const float* x = c.floats("x", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().dropout(p, x, y, n);
  return nullptr;
}

// philox(first, n, k0, k1, c0, c1, words): words as an Int32Array
napi_value js_philox(napi_env env, napi_callback_info info) {
  Call c(env, info, "philox");
  const int64_t first = c.size("first", int64_t{1} << 33), n = c.size("n");
  Philox p = {};
  for (uint32_t& k : p.key) k = c.word("key");
  for (uint32_t& k : p.counter) k = c.word("counter");
  int32_t* words = c.ints("words", n);
  if (c.ok()) kernels().philox_words(p, first, reinterpret_cast<uint32_t*>(words), n);
  return nullptr;
}

}  // namespace

void register_fused(napi_env env, napi_value exports) {
  const Export all[] = {{"layerNorm", js_layer_norm}, {"layerNormGrad", js_layer_norm_grad}, {"rmsNorm", js_rms_norm},
                        {"rmsNormGrad", js_rms_norm_grad}, {"rotary", js_rotary}, {"crossEntropy", js_cross_entropy},
                        {"crossEntropyGrad", js_cross_entropy_grad}, {"dropout", js_dropout}, {"philox", js_philox}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
