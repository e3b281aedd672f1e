// exp, erf and tanh of four floats to about one unit in the last place. The polynomials are least maximal error fits
// of our own (Lawson's iteration) to the function named beside each.
#pragma once
#include "base.h"

/** exp(x); 0 and infinity at the ends, NaN for NaN */
INLINE vf vexp(vf x) {
  x = wasm_f32x4_pmin(wasm_f32x4_pmax(x, vset(-104.0f)), vset(89.0f));
  // n = round(x / ln 2): beside 1.5 2^23 the last bit of a float is 1
  vf shifted = vfma(x, vset(1.44269504f), vset(12582912.0f)), n = vsub(shifted, vset(12582912.0f));
  vf r = vfma(n, vset(-0.693359375f), x);
  r = vfma(n, vset(2.12194440e-4f), r);
  // (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2
  vf p = vset(0.00138131794f);
  p = vfma(p, r, vset(0.00836941194f));
  p = vfma(p, r, vset(0.0416684554f));
  p = vfma(p, r, vset(0.166665149f));
  p = vfma(p, r, vset(0.499999931f));
  p = vadd(vfma(vmul(r, r), p, r), vset(1.0f));
  // 2^n in two factors, so that results below the normal range come out right
  vf i = wasm_i32x4_sub(shifted, wasm_i32x4_splat(0x4b400000));
  vf half = wasm_i32x4_shr(i, 1), rest = wasm_i32x4_sub(i, half), bias = wasm_i32x4_splat(127);
  vf s = wasm_i32x4_shl(wasm_i32x4_add(half, bias), 23), t = wasm_i32x4_shl(wasm_i32x4_add(rest, bias), 23);
  return vmul(vmul(p, s), t);
}

INLINE vf vsign_of(vf magnitude, vf x) {
  return wasm_v128_or(magnitude, wasm_v128_and(x, wasm_i32x4_splat((int)0x80000000)));
}

/** erf(x), absolute error below 1e-7 */
INLINE vf verf(vf x) {
  vf t = wasm_f32x4_abs(x), u = vmul(x, x);
  // erf(x) / x in x^2 on [0, 1]
  vf p = vset(7.88911953e-05f);
  p = vfma(p, u, vset(-0.000802084128f));
  p = vfma(p, u, vset(0.00518953534f));
  p = vfma(p, u, vset(-0.0268544446f));
  p = vfma(p, u, vset(0.112836002f));
  p = vfma(p, u, vset(-0.376126271f));
  p = vfma(p, u, vset(1.12837917f));
  vf near = vmul(x, p);
  vf small = wasm_f32x4_lt(t, vset(1.0f));
  if (wasm_i32x4_all_true(small)) return near;
  // log(1 - erf(t)) on [1, 4]; beyond 4 the difference from 1 is below rounding
  vf c = wasm_f32x4_pmin(t, vset(4.0f));
  vf q = vset(-2.16867716e-05f);
  q = vfma(q, c, vset(0.000441335347f));
  q = vfma(q, c, vset(-0.00420455619f));
  q = vfma(q, c, vset(0.0252082396f));
  q = vfma(q, c, vset(-0.108418547f));
  q = vfma(q, c, vset(-0.633219925f));
  q = vfma(q, c, vset(-1.12957841f));
  q = vfma(q, c, vset(0.000188035928f));
  vf far = vsign_of(vsub(vset(1.0f), vexp(q)), x);
  return vselect(small, near, far);
}

/** tanh(x) */
INLINE vf vtanh(vf x) {
  vf t = wasm_f32x4_abs(x), u = vmul(x, x);
  // tanh(x) / x in x^2 on [0, 0.625]
  vf p = vset(-0.00567242167f);
  p = vfma(p, u, vset(0.0206031471f));
  p = vfma(p, u, vset(-0.0537252316f));
  p = vfma(p, u, vset(0.133311858f));
  p = vfma(p, u, vset(-0.333332634f));
  p = vfma(p, u, vset(0.999999996f));
  vf near = vmul(x, p);
  vf e = vexp(vadd(t, t));
  vf far = vsign_of(vsub(vset(1.0f), vdiv(vset(2.0f), vadd(e, vset(1.0f)))), x);
  return vselect(wasm_f32x4_lt(t, vset(0.625f)), near, far);
}

/** 1 / (1 + exp(-x)) */
INLINE vf vsigmoid(vf x) { return vdiv(vset(1.0f), vadd(vset(1.0f), vexp(wasm_f32x4_neg(x)))); }

/** log(x); -infinity at 0, NaN below */
INLINE vf vlog(vf x) {
  vf tiny = wasm_f32x4_lt(x, vset(1.17549435e-38f));
  vf scaled = vselect(tiny, vmul(x, vset(8388608.0f)), x);
  // x = m 2^e with m in [sqrt(1/2), sqrt 2)
  vf e = wasm_i32x4_shr(wasm_i32x4_sub(scaled, wasm_i32x4_splat(0x3f3504f3)), 23);
  vf m = wasm_i32x4_sub(scaled, wasm_i32x4_shl(e, 23));
  vf n = vadd(wasm_f32x4_convert_i32x4(e), wasm_v128_and(tiny, vset(-23.0f)));
  // log m = 2 atanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...)
  vf s = vdiv(vsub(m, vset(1.0f)), vadd(m, vset(1.0f))), u = vmul(s, s);
  vf p = vset(2.0f / 9);
  p = vfma(p, u, vset(2.0f / 7));
  p = vfma(p, u, vset(2.0f / 5));
  p = vfma(p, u, vset(2.0f / 3));
  vf y = vadd(vfma(n, vset(-2.12194440e-4f), vmul(vmul(s, u), p)), vadd(s, s));
  y = vfma(n, vset(0.693359375f), y);
  y = vselect(wasm_f32x4_eq(x, vset(0)), vset(-__builtin_inff()), y);
  y = vselect(wasm_f32x4_eq(x, vset(__builtin_inff())), x, y);
  // below 0 and NaN
  return vselect(wasm_f32x4_ge(x, vset(0)), y, vset(__builtin_nanf("")));
}

/** Natural logarithm of one positive float (of a sum of exponentials, say). */
float log_of(float x);
