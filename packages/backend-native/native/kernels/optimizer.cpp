// Optimizer steps in place, as PyTorch takes them.
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

template <typename F>
void elements(int64_t n, const F& f) {
  constexpr int64_t kPart = 1 << 14;
  const auto part = [&](int64_t p) {
    int64_t i = p * kPart;
    const int64_t end = i + kPart < n ? i + kPart : n;
    for (; i + W <= end; i += W) f(i, W);
    if (i < end) f(i, static_cast<int>(end - i));
  };
  const int64_t parts = (n + kPart - 1) / kPart;
  if (parts > 1) parallel_for(parts, part);
  else if (parts == 1) part(0);
}

// x / y for a y above 0, also an infinite one: overflowing squares stop a weight.
FILATURE_INLINE vf over(vf x, vf y) { return x * select(y > 3.4028234e38f, vf{}, reciprocal(y)); }

}  // namespace

// Loshchilov and Hutter, 2019; coupled: the decay goes into the gradient (Adam with L2). max_v: AMSGrad.
void adamw(const AdamW& o, float* p, const float* g, float* m, float* v, float* max_v, int64_t n) {
  const float step = o.lr / o.correction1, v_scale = 1.0f / std::sqrt(o.correction2);
  elements(n, [&](int64_t i, int part) {
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
  });
}

// Duchi et al., 2011; `lr` has the decay over steps already in it.
void adagrad(const Adagrad& o, float* p, const float* g, float* total, int64_t n) {
  elements(n, [&](int64_t i, int part) {
    const vf w = at(p, i, part), d = at(g, i, part) * o.grad_scale + o.decay * w;
    const vf s = at(total, i, part) + d * d;
    put(total, i, s, part);
    put(p, i, w - over(o.lr * d, o.eps_inside ? root(s + o.eps) : root(s) + o.eps), part);
  });
}

void sgd(const Sgd& o, float* p, const float* g, float* velocity, int64_t n) {
  elements(n, [&](int64_t i, int part) {
    const vf w = at(p, i, part);
    vf d = at(g, i, part) * o.grad_scale + o.decay * w;
    if (velocity) {
      const vf u = o.first ? d : at(velocity, i, part) * o.momentum + d * (1.0f - o.dampening);
      put(velocity, i, u, part);
      d = o.nesterov ? d + o.momentum * u : u;
    }
    put(p, i, w - o.lr * d, part);
  });
}

void rmsprop(const Rmsprop& o, float* p, const float* g, float* square, float* mean, float* buffer, int64_t n) {
  elements(n, [&](int64_t i, int part) {
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
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
