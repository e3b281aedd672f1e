// Activations and their derivatives on vectors.
#pragma once
#include "../simd.h"
#include "gemm.h"

namespace filature {
namespace FILATURE_ISA {

template <Activation A>
FILATURE_INLINE vf activate(vf x) {
  if constexpr (A == kRelu) return select(x != x, x, max(x, vf{}));
  else if constexpr (A == kGelu) return 0.5f * x * (1.0f + erf(x * 0.707106781186547524f));
  else if constexpr (A == kGeluTanh) {
    return 0.5f * x * (1.0f + tanh(0.797884560802865356f * (x + 0.044715f * x * x * x)));
  } else if constexpr (A == kSilu) return x * sigmoid(x);
  else if constexpr (A == kTanh) return tanh(x);
  else if constexpr (A == kSigmoid) return sigmoid(x);
  else if constexpr (A == kQuickGelu) return x * sigmoid(1.702f * x);
  else return x;
}

// d activate(x) / dx
template <Activation A>
FILATURE_INLINE vf derivative(vf x) {
  if constexpr (A == kRelu) return select(x > 0.0f, splat(1.0f), select(x != x, x, vf{}));
  else if constexpr (A == kGelu) {
    const vf gauss = exp(-0.5f * x * x);
    const vf cdf = 0.5f * (1.0f + erf(x * 0.707106781186547524f, gauss));
    return cdf + x * gauss * 0.398942280401432678f;
  } else if constexpr (A == kGeluTanh) {
    const vf t = tanh(0.797884560802865356f * (x + 0.044715f * x * x * x));
    const vf inner = 0.797884560802865356f * (1.0f + 0.134145f * x * x);
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
  } else if constexpr (A == kSilu) {
    const vf s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  } else if constexpr (A == kTanh) {
    const vf t = tanh(x);
    return 1.0f - t * t;
  } else if constexpr (A == kSigmoid) {
    const vf s = sigmoid(x);
    return s * (1.0f - s);
  } else if constexpr (A == kQuickGelu) {
    const vf s = sigmoid(1.702f * x);
    return s * (1.0f + 1.702f * x * (1.0f - s));
  } else return splat(1.0f);
}

// Calls f with the activation as a compile-time constant.
template <typename F>
FILATURE_INLINE void with_activation(Activation a, const F& f) {
  switch (a) {
    case kRelu: return f.template operator()<kRelu>();
    case kGelu: return f.template operator()<kGelu>();
    case kGeluTanh: return f.template operator()<kGeluTanh>();
    case kSilu: return f.template operator()<kSilu>();
    case kTanh: return f.template operator()<kTanh>();
    case kSigmoid: return f.template operator()<kSigmoid>();
    case kQuickGelu: return f.template operator()<kQuickGelu>();
    default: return f.template operator()<kNone>();
  }
}

// y[i] = f(load(x[i])) for n floats, the tail included.
template <typename F>
FILATURE_INLINE void map(const float* x, float* y, int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i)));
  if (i < n) store_part(y + i, f(load_part(x + i, n - i)), n - i);
}
template <typename F>
FILATURE_INLINE void map(const float* x, const float* w, float* y, int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, f(load(x + i), load(w + i)));
  if (i < n) store_part(y + i, f(load_part(x + i, n - i), load_part(w + i, n - i)), n - i);
}

// n floats of each of some rows, `step` apart.
void activate_rows(Activation a, const float* x, float* y, int64_t step, int64_t rows, int64_t n);

}  // namespace FILATURE_ISA
}  // namespace filature
