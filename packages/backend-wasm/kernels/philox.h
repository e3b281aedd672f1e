// Philox4x32-10 (Salmon et al. 2011), four counters at a time.
#pragma once
#include "base.h"

typedef struct {
  uint32_t k0, k1, c0, c1;
  uint32_t threshold;  // a word below it drops its element
  float kept;          // value of a kept element
} Draw;

INLINE void multiply_wide(vf a, vf m, vf *high, vf *low) {
  vf even = wasm_u64x2_extmul_low_u32x4(a, m), odd = wasm_u64x2_extmul_high_u32x4(a, m);
  *low = wasm_i32x4_shuffle(even, odd, 0, 2, 4, 6);
  *high = wasm_i32x4_shuffle(even, odd, 1, 3, 5, 7);
}

/** 16 words of the blocks first .. first+3, in order. */
INLINE void philox16(const Draw *d, uint32_t first, vf out[4]) {
  vf x0 = wasm_i32x4_add(wasm_i32x4_splat((int)first), wasm_i32x4_make(0, 1, 2, 3)), x1 = wasm_i32x4_splat(0);
  vf x2 = wasm_i32x4_splat((int)d->c0), x3 = wasm_i32x4_splat((int)d->c1);
  uint32_t k0 = d->k0, k1 = d->k1;
  vf m0 = wasm_i32x4_splat((int)0xD2511F53u), m1 = wasm_i32x4_splat((int)0xCD9E8D57u);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    vf high0, low0, high1, low1;
    multiply_wide(x0, m0, &high0, &low0);
    multiply_wide(x2, m1, &high1, &low1);
    x0 = wasm_v128_xor(wasm_v128_xor(high1, x1), wasm_i32x4_splat((int)k0));
    x2 = wasm_v128_xor(wasm_v128_xor(high0, x3), wasm_i32x4_splat((int)k1));
    x1 = low1, x3 = low0;
  }
  vf a = wasm_i32x4_shuffle(x0, x1, 0, 4, 1, 5), b = wasm_i32x4_shuffle(x0, x1, 2, 6, 3, 7);
  vf c = wasm_i32x4_shuffle(x2, x3, 0, 4, 1, 5), e = wasm_i32x4_shuffle(x2, x3, 2, 6, 3, 7);
  out[0] = wasm_i64x2_shuffle(a, c, 0, 2), out[1] = wasm_i64x2_shuffle(a, c, 1, 3);
  out[2] = wasm_i64x2_shuffle(b, e, 0, 2), out[3] = wasm_i64x2_shuffle(b, e, 1, 3);
}

/** Factors (kept or 0) of the elements first .. first+n-1 of a draw. */
INLINE void draw_factors(const Draw *d, int64_t first, int n, float *factors) {
  int64_t at = first & ~(int64_t)15;
  for (; at < first + n; at += 16) {
    vf words[4];
    float group[16];
    philox16(d, (uint32_t)(at >> 2), words);
    int whole = at >= first && at + 16 <= first + n;
    float *to = whole ? factors + (at - first) : group;
    for (int i = 0; i < 4; i++) {
      vf keep = wasm_u32x4_ge(words[i], wasm_i32x4_splat((int)d->threshold));
      vstore(to + 4 * i, wasm_v128_and(keep, vset(d->kept)));
    }
    if (whole) continue;
    for (int i = 0; i < 16; i++) {
      if (at + i >= first && at + i < first + n) factors[at + i - first] = group[i];
    }
  }
}
