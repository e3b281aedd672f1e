// Elementwise operators, activations, gated units.
#include "call.h"

namespace filature {
namespace {

// What a walk reaches in each operand.
int64_t reach(const Walk& w, const int64_t* steps) {
  int64_t last = 0;
  for (int i = 0; i < w.rank; i++) {
    if (w.size[i] == 0) return 0;
    last += count_of(w.size[i] - 1, steps[i]);
  }
  return last + 1;
}
int64_t total(const Walk& w) {
  int64_t n = 1;
  for (int i = 0; i < w.rank; i++) n = count_of(n, w.size[i]);
  return n;
}

// unary(op, n, x, y)
napi_value js_unary(napi_env env, napi_callback_info info) {
  Call c(env, info, "unary");
  const auto op = static_cast<Unary>(c.size("op", kUnaries - 1));
  const int64_t n = c.size("n");
  const float* x = c.floats("x", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().unary(op, x, y, n);
  return nullptr;
}

// binary(op, walk, a, b, y): y is written in order
napi_value js_binary(napi_env env, napi_callback_info info) {
  Call c(env, info, "binary");
  const auto op = static_cast<Binary>(c.size("op", kBinaries - 1));
  Walk w;
  if (!c.walk(w)) return nullptr;
  const float* a = c.floats("a", reach(w, w.a));
  const float* b = c.floats("b", reach(w, w.b));
  float* y = c.floats("y", total(w));
  if (c.ok() && total(w) > 0) kernels().binary(op, w, a, b, y);
  return nullptr;
}

// binarySame(op, n, a, aStep, b, bStep, y): steps 0 (one number) or 1
napi_value js_binary_same(napi_env env, napi_callback_info info) {
  Call c(env, info, "binarySame");
  const auto op = static_cast<Binary>(c.size("op", kBinaries - 1));
  Walk w = {1, {c.size("n")}, {c.size("aStep", 1)}, {c.size("bStep", 1)}, {1}};
  const float* a = c.floats("a", reach(w, w.a));
  const float* b = c.floats("b", reach(w, w.b));
  float* y = c.floats("y", w.size[0]);
  if (c.ok() && w.size[0] > 0) kernels().binary(op, w, a, b, y);
  return nullptr;
}

// scaleAdd(n, scale, shift, x, y)
napi_value js_scale_add(napi_env env, napi_callback_info info) {
  Call c(env, info, "scaleAdd");
  const int64_t n = c.size("n");
  const float scale = c.real("scale"), shift = c.real("shift");
  const float* x = c.floats("x", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().scale_add(x, scale, shift, y, n);
  return nullptr;
}

// select(n, inner, mask, a, b, y)
napi_value js_select(napi_env env, napi_callback_info info) {
  Call c(env, info, "select");
  const int64_t n = c.size("n"), inner = c.size("inner"), all = count_of(n, inner);
  const uint8_t* mask = c.bytes("mask", n);
  const float* a = c.floats("a", all);
  const float* b = c.floats("b", all);
  float* y = c.floats("y", all);
  if (c.ok()) kernels().select_rows(mask, a, b, y, n, inner);
  return nullptr;
}

// activation(kind, n, x, y)
napi_value js_activation(napi_env env, napi_callback_info info) {
  Call c(env, info, "activation");
  const auto kind = static_cast<Activation>(c.size("kind", kActivations - 1));
  const int64_t n = c.size("n");
  const float* x = c.floats("x", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().activation(kind, x, y, n);
  return nullptr;
}

// activationGrad(kind, rows, columns, x, dy, dx, dBias?)
napi_value js_activation_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "activationGrad");
  const auto kind = static_cast<Activation>(c.size("kind", kActivations - 1));
  const auto [rows, columns, n] = Rows(c);
  const float* x = c.floats("x", n);
  const float* dy = c.floats("dy", n);
  float* dx = c.floats("dx", n);
  float* d_bias = c.maybe_floats("dBias", columns);
  if (c.ok()) kernels().activation_grad(kind, x, dy, dx, d_bias, rows, columns);
  return nullptr;
}

// swiglu(n, gate, up, y)
napi_value js_swiglu(napi_env env, napi_callback_info info) {
  Call c(env, info, "swiglu");
  const int64_t n = c.size("n");
  const float* gate = c.floats("gate", n);
  const float* up = c.floats("up", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().swiglu(gate, up, y, n);
  return nullptr;
}

// swigluGrad(n, gate, up, dy, dGate?, dUp?)
napi_value js_swiglu_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "swigluGrad");
  const int64_t n = c.size("n");
  const float* gate = c.floats("gate", n);
  const float* up = c.floats("up", n);
  const float* dy = c.floats("dy", n);
  float* d_gate = c.maybe_floats("dGate", n);
  float* d_up = c.maybe_floats("dUp", n);
  if (c.ok()) kernels().swiglu_grad(gate, up, dy, d_gate, d_up, n);
  return nullptr;
}

// copyWalk(walk, x, y): y[walk.out] = x[walk.a]
napi_value js_copy_walk(napi_env env, napi_callback_info info) {
  Call c(env, info, "copyWalk");
  Walk w;
  if (!c.walk(w)) return nullptr;
  const uint32_t* x = c.words("x", reach(w, w.a));
  uint32_t* y = c.words("y", reach(w, w.out));
  if (c.ok() && total(w) > 0) kernels().copy_walk(w, x, y);
  return nullptr;
}

}  // namespace

void register_elementwise(napi_env env, napi_value exports) {
  const Export all[] = {{"unary", js_unary}, {"binary", js_binary}, {"binarySame", js_binary_same},
                        {"scaleAdd", js_scale_add}, {"select", js_select}, {"activation", js_activation},
                        {"activationGrad", js_activation_grad}, {"swiglu", js_swiglu}, {"swigluGrad", js_swiglu_grad},
                        {"copyWalk", js_copy_walk}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
