// Attention by tiles of queries and keys, so that the (T, S) scores never exist as a whole.
#pragma once
#include "gemm.h"
#include "philox.h"

// rows of queries and of keys in a tile
#define TQ 128
#define TK 128

typedef struct {
  const float *q, *k, *v;   // (B, T, H, D), (B, S, G, D), (B, S, G, E)
  const float *bias;        // null, or axes (B, H, T, S) with the strides below (0 where the axis is 1)
  int bias_b, bias_h, bias_t, bias_s;
  float *out, *lse;         // (B, T, H, E), (B, H, T); lse is +inf in a row without keys
  const float *d_out, *given_out, *given_lse;
  float *dq, *dk, *dv;      // zeros before; any may be null
  float *d_scores;          // (B, H, T, S), zeros before, or null
  float *delta;             // (B, H, T)
  int B, T, S, H, G, D, E;
  float scale;
  int left, right;          // keys from i + S - T - left to i + S - T + right; negative: no limit
  int drops;
  Draw draw;
} Attention;

/** First key that query i may see, and one past the last. */
INLINE int first_key(const Attention *s, int i) {
  return s->left < 0 ? 0 : imax(0, i + s->S - s->T - s->left);
}
INLINE int end_key(const Attention *s, int i) {
  return s->right < 0 ? s->S : imax(0, imin(s->S, i + s->S - s->T + s->right + 1));
}

/** scores (rows, TK) of queries i.. and keys j.., scaled, with bias, -inf where not visible. */
void score_tile(const Attention *s, int b, int h, int i, int rows, int j, int columns, float *tile, float *scratch);

/** Flat index of (b, h, i, j) in the pattern, by which dropout draws. */
INLINE int64_t pattern_index(const Attention *s, int b, int h, int i, int j) {
  return (((int64_t)b * s->H + h) * s->T + i) * s->S + j;
}
