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

/** A tile: queries i.. of head h and keys j... */
typedef struct {
  int b, h, i, rows, j, columns;
} Tile;

/** Whole vectors of a row of the tile that hold the keys `from` to `to` - 1 which its query sees; none where from is to. */
typedef struct {
  int from, to, begin, end;
} Seen;

INLINE Seen seen(const Attention *s, const Tile *t, int y) {
  int i = t->i + y;
  int from = imin(t->columns, imax(0, first_key(s, i) - t->j)), to = imax(from, imin(t->columns, end_key(s, i) - t->j));
  return (Seen){from, to, from & ~3, from == to ? from & ~3 : imin(t->columns, (to + 3) & ~3)};
}

/** The band of a tile that is seen: keys from row + low to row + high, or for the transposed tile the queries of a key. */
INLINE void band_of(const Attention *s, const Tile *t, Gemm *g, int band, int transposed) {
  const int far = 1 << 29, diagonal = t->i - t->j + s->S - s->T;
  int low = s->left < 0 ? -far : diagonal - imin(s->left, far), high = s->right < 0 ? far : diagonal + imin(s->right, far);
  g->band = band, g->low = transposed ? -high : low, g->high = transposed ? -low : high;
}

/** Scores (rows, TK) of a tile, scaled, with bias; -inf where not visible, undefined outside the vectors of `seen`. */
void score_tile(const Attention *s, const Tile *t, float *tile, float *scratch);

/** Zeros of a row outside the vectors that are seen. */
INLINE void clear_unseen(float *row, const Seen *seen, int columns) {
  for (int x = 0; x < seen->begin; x++) row[x] = 0;
  for (int x = seen->end; x < columns; x++) row[x] = 0;
}

/** Flat index of (b, h, i, j) in the pattern, by which dropout draws. */
INLINE int64_t pattern_index(const Attention *s, int b, int h, int i, int j) {
  return (((int64_t)b * s->H + h) * s->T + i) * s->S + j;
}
