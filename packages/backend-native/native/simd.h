// Vectors of floats, as wide as the instruction set this file is compiled for, and functions on them.
// GCC and Clang vector extensions; everything is in a namespace of the instruction set, so that no inline function of a
// wide build can be linked into a narrow one.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#ifndef FILATURE_ISA
#define FILATURE_ISA baseline
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#define FILATURE_W 16
#elif defined(__AVX2__)
#define FILATURE_W 8
#else
#define FILATURE_W 4
#endif

#define FILATURE_INLINE inline __attribute__((always_inline))

namespace filature {
namespace FILATURE_ISA {

constexpr int W = FILATURE_W;
typedef float vf __attribute__((vector_size(FILATURE_W * 4)));
typedef int32_t vi __attribute__((vector_size(FILATURE_W * 4)));
typedef float vf_any __attribute__((vector_size(FILATURE_W * 4), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(FILATURE_W * 4), aligned(4), may_alias));

FILATURE_INLINE vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
FILATURE_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
FILATURE_INLINE vf splat(float x) { return x - vf{}; }
FILATURE_INLINE vi splat(int32_t x) { return vi{} + x; }
FILATURE_INLINE vf bits_to_float(vi v) { return (vf)v; }
FILATURE_INLINE vi float_to_bits(vf v) { return (vi)v; }
FILATURE_INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }
FILATURE_INLINE vi to_int(vf v) { return __builtin_convertvector(v, vi); }
FILATURE_INLINE vf select(vi mask, vf a, vf b) { return mask ? a : b; }
FILATURE_INLINE vf max(vf a, vf b) { return a > b ? a : b; }
FILATURE_INLINE vf min(vf a, vf b) { return a < b ? a : b; }
FILATURE_INLINE vf abs(vf a) { return bits_to_float(float_to_bits(a) & 0x7fffffff); }

// The first n floats (n < W), the rest filled.
FILATURE_INLINE vf load_part(const float* p, int64_t n, float fill = 0) {
#if FILATURE_W == 16
  return (vf)_mm512_mask_loadu_ps((__m512)splat(fill), static_cast<__mmask16>((1u << n) - 1), p);
#else
  vf v = splat(fill);
  for (int64_t i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}
FILATURE_INLINE void store_part(float* p, vf v, int64_t n) {
#if FILATURE_W == 16
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
#else
  for (int64_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

FILATURE_INLINE float sum(vf v) {
#if FILATURE_W == 16
  typedef float v8 __attribute__((vector_size(32)));
  v8 h = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif FILATURE_W == 8
  vf h = v;
#endif
#if FILATURE_W >= 8
  typedef float v4 __attribute__((vector_size(16)));
  v4 q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
#else
  vf q = v;
#endif
  return (q[0] + q[2]) + (q[1] + q[3]);
}
FILATURE_INLINE float max_of(vf v) {
#if FILATURE_W == 16
  typedef float v8 __attribute__((vector_size(32)));
  const v8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const v8 b = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const v8 h = a > b ? a : b;
#elif FILATURE_W == 8
  const vf h = v;
#endif
#if FILATURE_W >= 8
  typedef float v4 __attribute__((vector_size(16)));
  const v4 c = __builtin_shufflevector(h, h, 0, 1, 2, 3), d = __builtin_shufflevector(h, h, 4, 5, 6, 7);
  const v4 q = c > d ? c : d;
#else
  const vf q = v;
#endif
  const float e = q[0] > q[1] ? q[0] : q[1], f = q[2] > q[3] ? q[2] : q[3];
  return e > f ? e : f;
}

// e^x: x = n ln 2 + r, |r| <= ln 2 / 2; a minimax polynomial for e^r, relative error 3e-9 before rounding; 2^n in two
// halves, as 2^128 does not fit. NaN stays NaN; above 88.73 infinity; below -87.33, where results would be subnormal, 0:
// processors compute those a hundred times slower, and masked scores are full of them.
FILATURE_INLINE vf exp(vf x) {
#if FILATURE_W == 16
  const __m512 bounded = _mm512_max_ps((__m512)splat(-87.33f), (__m512)x);  // of a NaN the second operand
  const vf n = (vf)_mm512_roundscale_ps((__m512)((vf)bounded * 1.44269504088896341f), 8);
  const vf r = ((vf)bounded - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
#else
  const vf bounded = max(min(x, splat(89.0f)), splat(-87.33f));
  const vf n = (bounded * 1.44269504088896341f + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const vf r = (bounded - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
#endif
  vf p = r * 0.00138146062f + 0.00836871064f;
  p = p * r + 0.0416683875f;
  p = p * r + 0.166665207f;
  p = p * r + 0.499999935f;
  p = p * (r * r) + r + 1.0f;
#if FILATURE_W == 16
  const __m512 y = _mm512_scalef_ps((__m512)p, (__m512)n);
  return (vf)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, (__m512)splat(-87.33f), _CMP_NLT_UQ), y);
#else
  const vi k = to_int(n), half = k >> 1;
  const vf y = p * bits_to_float((half + 127) << 23) * bits_to_float((k - half + 127) << 23);
  return select(x >= -87.33f, y, select(x != x, x, vf{}));
#endif
}

// 1 / x to the last bit or two, for x neither 0 nor infinite.
FILATURE_INLINE vf reciprocal(vf x) {
#if FILATURE_W == 16
  const vf r = (vf)_mm512_rcp14_ps((__m512)x);
  return r * (2.0f - x * r);
#else
  return 1.0f / x;
#endif
}

// The square root to the last bit or two, for numbers of 0 and above.
FILATURE_INLINE vf root(vf x) {
#if FILATURE_W == 16
  const vf r = (vf)_mm512_rsqrt14_ps((__m512)x), y = x * r;
  // 0 and infinity times their own reciprocal roots are not numbers
  return (vf)_mm512_mask_mov_ps((__m512)(y + y * (0.5f - 0.5f * y * r)), _mm512_fpclass_ps_mask((__m512)x, 0x0e), (__m512)x);
#else
  vf r;
  for (int i = 0; i < W; i++) r[i] = __builtin_sqrtf(x[i]);
  return r;
#endif
}

FILATURE_INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + exp(-x)); }

// tanh x: x + x^3 P(x^2) below 0.625, 1 - 2 / (e^2x + 1) above.
FILATURE_INLINE vf tanh(vf x) {
  const vf s = x * x, a = abs(x);
  vf p = s * -0.00570495337f + 0.0206390541f;
  p = p * s - 0.0537397037f;
  p = p * s + 0.13331442f;
  p = p * s - 0.333332819f;
  const vf small = x + x * s * p;
  const vf b = min(a, splat(10.0f)), large = select(x != x, x, 1.0f - 2.0f * reciprocal(exp(b + b) + 1.0f));
  return select(a < 0.625f, small, select(x < 0.0f, -large, large));
}

// erf x: x P(x^2) up to 1, 1 - e^(-x^2) Q(1 / (1 + x / 2)) above; both minimax fits, 2e-9 before rounding.
// `gauss` is e^(-x^2), which a derivative wants too.
FILATURE_INLINE vf erf(vf x, vf gauss) {
  const vf s = x * x, a = abs(x);
  vf p = s * 7.85384736e-05f - 0.000801018939f;
  p = p * s + 0.0051883272f;
  p = p * s - 0.0268538117f;
  p = p * s + 0.112835851f;
  p = p * s - 0.376126258f;
  p = p * s + 1.12837917f;
  const vf t = reciprocal(1.0f + 0.5f * min(a, splat(16.0f)));
  vf q = t * -0.230801929f + 0.636680789f;
  q = q * t - 0.0644615308f;
  q = q * t + 0.396802606f;
  q = q * t + 0.259700457f;
  q = q * t + 0.00182250012f;
  const vf tail = 1.0f - gauss * q;
  return select(a <= 1.0f, x * p, select(x < 0.0f, -tail, tail));
}
FILATURE_INLINE vf erf(vf x) { return select(x != x, x, erf(x, exp(-x * x))); }

}  // namespace FILATURE_ISA
}  // namespace filature
