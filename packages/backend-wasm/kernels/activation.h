// The activations that follow a linear layer, and their derivatives.
#pragma once
#include "math.h"

enum { NONE, RELU, GELU, GELU_TANH, SILU, TANH, SIGMOID, QUICK_GELU };

#define SQRT_HALF 0.707106781f
#define SQRT_2_OVER_PI 0.797884561f
#define CUBIC 0.044715f
#define QUICK 1.702f

INLINE vf activate(vf x, const int kind) {
  switch (kind) {
    case RELU: return wasm_f32x4_pmax(x, vset(0));
    case GELU: {
      vf half = vmul(x, vset(0.5f));
      return vfma(half, verf(vmul(x, vset(SQRT_HALF))), half);
    }
    case GELU_TANH: {
      vf inner = vmul(vset(SQRT_2_OVER_PI), vmul(x, vfma(vmul(x, x), vset(CUBIC), vset(1))));
      vf half = vmul(x, vset(0.5f));
      return vfma(half, vtanh(inner), half);
    }
    case SILU: return vmul(x, vsigmoid(x));
    case TANH: return vtanh(x);
    case SIGMOID: return vsigmoid(x);
    case QUICK_GELU: return vmul(x, vsigmoid(vmul(x, vset(QUICK))));
    default: return x;
  }
}

/** Derivative at x. */
INLINE vf slope(vf x, const int kind) {
  switch (kind) {
    case RELU: return wasm_v128_and(wasm_f32x4_gt(x, vset(0)), vset(1));
    case GELU: {
      vf normal = vmul(vset(0.398942280f), vexp(vmul(vmul(x, x), vset(-0.5f))));
      vf below = vfma(vset(0.5f), verf(vmul(x, vset(SQRT_HALF))), vset(0.5f));
      return vfma(x, normal, below);
    }
    case GELU_TANH: {
      vf square = vmul(x, x);
      vf t = vtanh(vmul(vset(SQRT_2_OVER_PI), vmul(x, vfma(square, vset(CUBIC), vset(1)))));
      vf inner = vmul(vset(SQRT_2_OVER_PI), vfma(square, vset(3 * CUBIC), vset(1)));
      vf sech = vsub(vset(1), vmul(t, t));
      vf a = vmul(vset(0.5f), vadd(vset(1), t));
      return vfma(vmul(vmul(x, vset(0.5f)), sech), inner, a);
    }
    case SILU: {
      vf s = vsigmoid(x);
      return vmul(s, vfma(x, vsub(vset(1), s), vset(1)));
    }
    case TANH: {
      vf t = vtanh(x);
      return vsub(vset(1), vmul(t, t));
    }
    case SIGMOID: {
      vf s = vsigmoid(x);
      return vmul(s, vsub(vset(1), s));
    }
    case QUICK_GELU: {
      vf s = vsigmoid(vmul(x, vset(QUICK)));
      return vmul(s, vfma(vmul(x, vset(QUICK)), vsub(vset(1), s), vset(1)));
    }
    default: return vset(1);
  }
}

/** z = x + bias, y = activation(z) for n floats; z and bias may be null, y may be x. */
void activate_row(const float *x, float *z, float *y, const float *bias, int kind, int n);

/** dx = dy * slope(x) for n floats. */
void slope_row(const float *x, const float *dy, float *dx, int kind, int n);
