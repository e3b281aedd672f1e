// Optimizer steps in place, as PyTorch takes them, over all parameters at once.
#include <vector>

#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr int64_t kPart = 1 << 14;

// of(k) gives what f(i, part) does with W elements from i on of parameter k.
template <typename Of>
void elements(const Stepped& all, const Of& of) {
  struct Part { int64_t k, begin, end; };
  std::vector<Part> parts;
  int64_t total = 0;
  for (int64_t k = 0; k < all.count; k++) {
    total += all.n[k];
    for (int64_t i = 0; i < all.n[k]; i += kPart) parts.push_back({k, i, i + kPart < all.n[k] ? i + kPart : all.n[k]});
  }
  const auto run = [&](int64_t p) {
    const auto [k, begin, end] = parts[p];
    const auto f = of(k);
    int64_t i = begin;
    for (; i + W <= end; i += W) f(i, W);
    if (i < end) f(i, static_cast<int>(end - i));
  };
  const int64_t count = static_cast<int64_t>(parts.size());
  if (total > 2 * kPart) parallel_for(count, run);
  else for (int64_t p = 0; p < count; p++) run(p);
}

float* maybe(float* const* list, int64_t k) { return list ? list[k] : nullptr; }

// x / y for a y above 0, also an infinite one: overflowing squares stop a weight.
FILATURE_INLINE vf over(vf x, vf y) { return x * select(y > 3.4028234e38f, vf{}, reciprocal(y)); }

}  // namespace

// Loshchilov and Hutter, 2019; coupled: the decay goes into the gradient (Adam with L2). State: m, v and, for AMSGrad, max v.
void adamw(const AdamW& o, const Stepped& all) {
  const float step = o.lr / o.correction1, v_scale = 1.0f / std::sqrt(o.correction2);
  elements(all, [&](int64_t k) {
    float *p = all.p[k], *m = all.state[0][k], *v = all.state[1][k], *max_v = maybe(all.state[2], k);
    return [=, &o, g = all.g[k]](int64_t i, int part) {
      vf w = at(p, i, part), d = at(g, i, part) * o.grad_scale;
      if (o.coupled) d += o.decay * w;
      else w -= o.lr * o.decay * w;
      const vf mean = at(m, i, part) * o.beta1 + d * (1.0f - o.beta1);
      const vf square = at(v, i, part) * o.beta2 + d * d * (1.0f - o.beta2);
      put(m, i, mean, part);
      put(v, i, square, part);
      vf largest = square;
      if (max_v) {
        largest = max(at(max_v, i, part), square);
        put(max_v, i, largest, part);
      }
      put(p, i, w - over(step * mean, root(largest) * v_scale + o.eps), part);
    };
  });
}

// Duchi et al., 2011; `lr` has the decay over steps already in it. State: the sum of squares.
void adagrad(const Adagrad& o, const Stepped& all) {
  elements(all, [&](int64_t k) {
    return [&o, p = all.p[k], g = all.g[k], sum = all.state[0][k]](int64_t i, int part) {
      const vf w = at(p, i, part), d = at(g, i, part) * o.grad_scale + o.decay * w;
      const vf s = at(sum, i, part) + d * d;
      put(sum, i, s, part);
      put(p, i, w - over(o.lr * d, o.eps_inside ? root(s + o.eps) : root(s) + o.eps), part);
    };
  });
}

// State: the velocity, with momentum.
void sgd(const Sgd& o, const Stepped& all) {
  elements(all, [&](int64_t k) {
    return [&o, p = all.p[k], g = all.g[k], velocity = maybe(all.state[0], k)](int64_t i, int part) {
      const vf w = at(p, i, part);
      vf d = at(g, i, part) * o.grad_scale + o.decay * w;
      if (velocity) {
        const vf u = o.first ? d : at(velocity, i, part) * o.momentum + d * (1.0f - o.dampening);
        put(velocity, i, u, part);
        d = o.nesterov ? d + o.momentum * u : u;
      }
      put(p, i, w - o.lr * d, part);
    };
  });
}

// State: the mean of squares; the mean, when centered; the momentum's buffer.
void rmsprop(const Rmsprop& o, const Stepped& all) {
  elements(all, [&](int64_t k) {
    float *p = all.p[k], *square = all.state[0][k], *mean = maybe(all.state[1], k), *buffer = maybe(all.state[2], k);
    return [=, &o, g = all.g[k]](int64_t i, int part) {
      vf w = at(p, i, part);
      const vf d = at(g, i, part) * o.grad_scale + o.decay * w;
      const vf s = at(square, i, part) * o.alpha + d * d * (1.0f - o.alpha);
      put(square, i, s, part);
      vf variance = s;
      if (o.centered) {
        const vf u = at(mean, i, part) * o.alpha + d * (1.0f - o.alpha);
        put(mean, i, u, part);
        variance -= u * u;
      }
      vf update = over(d, root(variance) + o.eps);
      if (buffer) {
        update += at(buffer, i, part) * o.momentum;
        put(buffer, i, update, part);
      }
      put(p, i, w - o.lr * update, part);
    };
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
