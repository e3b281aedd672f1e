// Optimizer steps in place. Parameters, gradients and each part of the state are lists, in one order.
#include <vector>

#include "call.h"

namespace filature {
namespace {

// p, g and up to three lists of state, by name; the first `needed` of them must be there.
class Lists {
 public:
  Lists(Call& c, int needed, std::initializer_list<const char*> names) {
    std::vector<napi_value> values[5];
    bool given[5] = {};
    int at = 0;
    // All entries first: reading them may run code that detaches a buffer.
    for (const char* name : names) {
      given[at] = c.list(name, at >= needed, values[at]);
      at++;
    }
    at = 0;
    for (const char* name : names) {
      if (c.ok() && given[at]) read(c, name, at, values[at]);
      at++;
    }
  }

  Stepped stepped() const {
    const auto list = [&](int i) -> float* const* { return arrays_[i].empty() ? nullptr : arrays_[i].data(); };
    return {static_cast<int64_t>(n_.size()), n_.data(), list(0), list(1), {list(2), list(3), list(4)}};
  }
  bool has(int state) const { return n_.empty() || !arrays_[2 + state].empty(); }

 private:
  void read(Call& c, const char* name, int at, const std::vector<napi_value>& values) {
    if (at > 0 && values.size() != n_.size()) return c.fail(name, "a list as long as p");
    for (size_t k = 0; k < values.size() && c.ok(); k++) {
      size_t length = 0;
      arrays_[at].push_back(c.floats_of(name, values[k], at > 0 ? n_[k] : 0, &length));
      if (at == 0) n_.push_back(static_cast<int64_t>(length));
    }
  }

  std::vector<int64_t> n_;
  std::vector<float*> arrays_[5];
};

// adamw(lr, beta1, beta2, eps, decay, correction1, correction2, gradScale, coupled, p, g, m, v, maxV?)
napi_value js_adamw(napi_env env, napi_callback_info info) {
  Call c(env, info, "adamw");
  AdamW o;
  c.reals({{"lr", &o.lr}, {"beta1", &o.beta1}, {"beta2", &o.beta2}, {"eps", &o.eps}, {"decay", &o.decay},
           {"correction1", &o.correction1}, {"correction2", &o.correction2}, {"gradScale", &o.grad_scale}});
  o.coupled = c.flag("coupled");
  const Lists lists(c, 4, {"p", "g", "m", "v", "maxV"});
  if (c.ok()) kernels().adamw(o, lists.stepped());
  return nullptr;
}

// adagrad(lr, eps, decay, gradScale, epsInside, p, g, sum)
napi_value js_adagrad(napi_env env, napi_callback_info info) {
  Call c(env, info, "adagrad");
  Adagrad o = {};
  c.reals({{"lr", &o.lr}, {"eps", &o.eps}, {"decay", &o.decay}, {"gradScale", &o.grad_scale}});
  o.eps_inside = c.flag("epsInside");
  const Lists lists(c, 3, {"p", "g", "sum"});
  if (c.ok()) kernels().adagrad(o, lists.stepped());
  return nullptr;
}

// sgd(lr, momentum, dampening, decay, gradScale, nesterov, first, p, g, velocity?)
napi_value js_sgd(napi_env env, napi_callback_info info) {
  Call c(env, info, "sgd");
  Sgd o;
  c.reals({{"lr", &o.lr}, {"momentum", &o.momentum}, {"dampening", &o.dampening}, {"decay", &o.decay},
           {"gradScale", &o.grad_scale}});
  o.nesterov = c.flag("nesterov");
  o.first = c.flag("first");
  const Lists lists(c, 2, {"p", "g", "velocity"});
  if (c.ok()) kernels().sgd(o, lists.stepped());
  return nullptr;
}

// rmsprop(lr, alpha, eps, decay, momentum, gradScale, centered, p, g, square, mean?, buffer?)
napi_value js_rmsprop(napi_env env, napi_callback_info info) {
  Call c(env, info, "rmsprop");
  Rmsprop o;
  c.reals({{"lr", &o.lr}, {"alpha", &o.alpha}, {"eps", &o.eps}, {"decay", &o.decay}, {"momentum", &o.momentum},
           {"gradScale", &o.grad_scale}});
  o.centered = c.flag("centered");
  const Lists lists(c, 3, {"p", "g", "square", "mean", "buffer"});
  if (c.ok() && o.centered && !lists.has(1)) c.fail("mean", "given when centered");
  if (c.ok()) kernels().rmsprop(o, lists.stepped());
  return nullptr;
}

}  // namespace

void register_optimizers(napi_env env, napi_value exports) {
  const Export all[] = {{"adamw", js_adamw}, {"adagrad", js_adagrad}, {"sgd", js_sgd}, {"rmsprop", js_rmsprop}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
