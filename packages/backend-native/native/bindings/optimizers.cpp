// Optimizer steps in place.
#include "call.h"

namespace filature {
namespace {

// adamw(n, lr, beta1, beta2, eps, decay, correction1, correction2, gradScale, coupled, p, g, m, v, maxV?)
napi_value js_adamw(napi_env env, napi_callback_info info) {
  Call c(env, info, "adamw");
  const int64_t n = c.size("n");
  AdamW o;
  c.reals({{"lr", &o.lr}, {"beta1", &o.beta1}, {"beta2", &o.beta2}, {"eps", &o.eps}, {"decay", &o.decay},
           {"correction1", &o.correction1}, {"correction2", &o.correction2}, {"gradScale", &o.grad_scale}});
  o.coupled = c.flag("coupled");
  float* p = c.floats("p", n);
  const float* g = c.floats("g", n);
  float* m = c.floats("m", n);
  float* v = c.floats("v", n);
  float* max_v = c.maybe_floats("maxV", n);
  if (c.ok()) kernels().adamw(o, p, g, m, v, max_v, n);
  return nullptr;
}

// adagrad(n, lr, eps, decay, gradScale, epsInside, p, g, sum)
napi_value js_adagrad(napi_env env, napi_callback_info info) {
  Call c(env, info, "adagrad");
  const int64_t n = c.size("n");
  Adagrad o = {};
  c.reals({{"lr", &o.lr}, {"eps", &o.eps}, {"decay", &o.decay}, {"gradScale", &o.grad_scale}});
  o.eps_inside = c.flag("epsInside");
  float* p = c.floats("p", n);
  const float* g = c.floats("g", n);
  float* sum = c.floats("sum", n);
  if (c.ok()) kernels().adagrad(o, p, g, sum, n);
  return nullptr;
}

// sgd(n, lr, momentum, dampening, decay, gradScale, nesterov, first, p, g, velocity?)
napi_value js_sgd(napi_env env, napi_callback_info info) {
  Call c(env, info, "sgd");
  const int64_t n = c.size("n");
  Sgd o;
  c.reals({{"lr", &o.lr}, {"momentum", &o.momentum}, {"dampening", &o.dampening}, {"decay", &o.decay},
           {"gradScale", &o.grad_scale}});
  o.nesterov = c.flag("nesterov");
  o.first = c.flag("first");
  float* p = c.floats("p", n);
  const float* g = c.floats("g", n);
  float* velocity = c.maybe_floats("velocity", n);
  if (c.ok()) kernels().sgd(o, p, g, velocity, n);
  return nullptr;
}

// rmsprop(n, lr, alpha, eps, decay, momentum, gradScale, centered, p, g, square, mean?, buffer?)
napi_value js_rmsprop(napi_env env, napi_callback_info info) {
  Call c(env, info, "rmsprop");
  const int64_t n = c.size("n");
  Rmsprop o;
  c.reals({{"lr", &o.lr}, {"alpha", &o.alpha}, {"eps", &o.eps}, {"decay", &o.decay}, {"momentum", &o.momentum},
           {"gradScale", &o.grad_scale}});
  o.centered = c.flag("centered");
  float* p = c.floats("p", n);
  const float* g = c.floats("g", n);
  float* square = c.floats("square", n);
  float* mean = c.maybe_floats("mean", n);
  float* buffer = c.maybe_floats("buffer", n);
  if (c.ok() && o.centered && !mean) c.fail("mean", "given when centered");
  if (c.ok()) kernels().rmsprop(o, p, g, square, mean, buffer, n);
  return nullptr;
}

}  // namespace

void register_optimizers(napi_env env, napi_value exports) {
  const Export all[] = {{"adamw", js_adamw}, {"adagrad", js_adagrad}, {"sgd", js_sgd}, {"rmsprop", js_rmsprop}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
