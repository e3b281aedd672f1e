// Goto's scheme: a block of B packed into strips of 8 columns, a block of A into strips of MR rows, and a register tile of
// MR x 8 that runs down the depth of both. Transposition is only a matter of packing.
#include "gemm.h"
#include "activation.h"

INLINE void transpose4(const float *p0, const float *p1, const float *p2, const float *p3, vf out[4]) {
  vf a = vload(p0), b = vload(p1), c = vload(p2), d = vload(p3);
  vf ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
  vf cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
  out[0] = wasm_i64x2_shuffle(ab0, cd0, 0, 2);
  out[1] = wasm_i64x2_shuffle(ab0, cd0, 1, 3);
  out[2] = wasm_i64x2_shuffle(ab1, cd1, 0, 2);
  out[3] = wasm_i64x2_shuffle(ab1, cd1, 1, 3);
}

// A strip: dst[k * W + i] = element i (of `width` <= W, zeros beyond) at depth k.
// `along`: the W elements of one depth lie side by side (stride ld between depths); else each element is a row of k.
INLINE void pack_strip(float *dst, const float *src, int ld, int depth, int width, int along, const int W) {
  if (width < W) {
    for (int k = 0; k < depth; k++) {
      for (int i = 0; i < W; i++) {
        dst[k * W + i] = i < width ? (along ? src[(int64_t)k * ld + i] : src[(int64_t)i * ld + k]) : 0;
      }
    }
    return;
  }
  if (along) {
    for (int k = 0; k < depth; k++, src += ld, dst += W) {
      vstore(dst, vload(src));
      if (W == 8) vstore(dst + 4, vload(src + 4));
      if (W == 5) dst[4] = src[4];
    }
    return;
  }
  const float *r0 = src, *r1 = r0 + ld, *r2 = r1 + ld, *r3 = r2 + ld;
  const float *r4 = r3 + ld, *r5 = r4 + ld, *r6 = r5 + ld, *r7 = r6 + ld;
  int k = 0;
  for (; k + 4 <= depth; k += 4, dst += 4 * W) {
    vf lo[4], hi[4];
    transpose4(r0 + k, r1 + k, r2 + k, r3 + k, lo);
    if (W == 8) transpose4(r4 + k, r5 + k, r6 + k, r7 + k, hi);
    for (int j = 0; j < 4; j++) {
      vstore(dst + j * W, lo[j]);
      if (W == 8) vstore(dst + j * W + 4, hi[j]);
      if (W == 5) dst[j * W + 4] = r4[k + j];
    }
  }
  for (; k < depth; k++, dst += W) {
    dst[0] = r0[k], dst[1] = r1[k], dst[2] = r2[k], dst[3] = r3[k];
    if (W > 4) dst[4] = r4[k];
    if (W == 8) dst[5] = r5[k], dst[6] = r6[k], dst[7] = r7[k];
  }
}

static void pack_a(float *dst, const float *src, int ld, int depth, int rows, int along) {
  for (int i = 0; i < rows; i += MR, dst += MR * depth) {
    pack_strip(dst, along ? src + i : src + (int64_t)i * ld, ld, depth, imin(MR, rows - i), along, MR);
  }
}

static void pack_b(float *dst, const float *src, int ld, int depth, int columns, int along) {
  for (int j = 0; j < columns; j += NR, dst += NR * depth) {
    pack_strip(dst, along ? src + j : src + (int64_t)j * ld, ld, depth, imin(NR, columns - j), along, NR);
  }
}

// MR x 8 sums of a strip of A times a strip of B
#define ROW(i) \
  vf p##i = vset(0), q##i = vset(0);
#define STEP(i, operand)      \
  {                           \
    vf x = operand;           \
    p##i = vfma(x, b0, p##i); \
    q##i = vfma(x, b1, q##i); \
  }
#define LOADED(i) STEP(i, wasm_v128_load32_splat(a + i))
#define LANE(i) STEP(i, wasm_i32x4_shuffle(four, four, i, i, i, i))
#define PUT(i)                                                          \
  if (add) p##i = vadd(p##i, vload(c)), q##i = vadd(q##i, vload(c + 4)); \
  vstore(c, p##i), vstore(c + 4, q##i);                                 \
  c += ldc;

// A function of its own: beside the loops around it the engine would spill registers.
__attribute__((noinline)) static void tile(const float *a, const float *b, float *c, int ldc, int depth, int add) {
  ROW(0) ROW(1) ROW(2) ROW(3)
#ifdef RELAXED
  // shuffles run beside the multipliers; where additions are apart from products they would be in their way
  ROW(4)
#pragma clang loop unroll(disable)
  for (int k = 0; k < depth; k++, a += MR, b += NR) {
    vf four = vload(a), b0 = vload(b), b1 = vload(b + 4);
    LANE(0) LANE(1) LANE(2) LANE(3) LOADED(4)
  }
#else
#pragma clang loop unroll(disable)
  for (int k = 0; k < depth; k++, a += MR, b += NR) {
    vf b0 = vload(b), b1 = vload(b + 4);
    LOADED(0) LOADED(1) LOADED(2) LOADED(3)
  }
#endif
  PUT(0) PUT(1) PUT(2) PUT(3)
#ifdef RELAXED
  PUT(4)
#endif
}

// One block: rows and columns from (i0, j0) of C, depth from k0.
typedef struct {
  int i0, j0, k0, rows, columns, depth, add;
} Block;

static void tiles(const Gemm *g, const Block *s, const float *pa, const float *pb) {
  float edge[MR * NR], *c = g->c + (int64_t)s->i0 * g->ldc + s->j0;
  int ldc = g->ldc, rows = s->rows, columns = s->columns, add = s->add;
  for (int j = 0; j < columns; j += NR) {
    for (int i = 0; i < rows; i += MR) {
      int row = s->i0 + i, from = 0, to_depth = s->depth;
      if (g->band == BAND_OF_C) {
        int column = s->j0 + j;
        if (column > row + MR - 1 + g->high || column + NR - 1 < row + g->low) continue;
      } else if (g->band == BAND_OF_A) {
        from = imax(0, row + g->low - s->k0), to_depth = imin(s->depth, row + MR + g->high - s->k0);
        if (to_depth <= from && add) continue;
        from = imin(from, s->depth);
      }
      int depth = to_depth - from;
      const float *a = pa + i * s->depth + from * MR, *b = pb + j * s->depth + from * NR;
      float *to = c + (int64_t)i * ldc + j;
      int w = imin(NR, columns - j), h = imin(MR, rows - i);
      if (w == NR && h == MR) {
        tile(a, b, to, ldc, depth, add);
        continue;
      }
      tile(a, b, edge, NR, depth, 0);
      for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
          float *p = to + (int64_t)y * ldc + x;
          *p = edge[y * NR + x] + (add ? *p : 0);
        }
      }
    }
  }
}

static void finish(const After *after, float *c, int64_t at, int ldc, int rows, int columns, int first) {
  for (int i = 0; i < rows; i++) {
    float *row = c + at + (int64_t)i * ldc;
    float *z = after->z ? after->z + at + (int64_t)i * ldc : 0;
    activate_row(row, z, row, after->bias ? after->bias + first : 0, after->activation, columns);
  }
}

#define FEW 4
// a single row (or a few): the weights are read once, in the order in which they lie
static void rows_times_transposed(const Gemm *g) {
  for (int j = 0; j < g->n; j += 4) {
    int w = imin(4, g->n - j);
    const float *b = g->b + (int64_t)j * g->ldb;
    const float *b1 = b + (w > 1 ? g->ldb : 0), *b2 = b1 + (w > 2 ? g->ldb : 0), *b3 = b2 + (w > 3 ? g->ldb : 0);
    for (int i = 0; i < g->m; i++) {
      const float *a = g->a + (int64_t)i * g->lda;
      vf s0 = vset(0), s1 = s0, s2 = s0, s3 = s0;
      int k = 0;
      for (; k + 4 <= g->k; k += 4) {
        vf x = vload(a + k);
        s0 = vfma(x, vload(b + k), s0), s1 = vfma(x, vload(b1 + k), s1);
        s2 = vfma(x, vload(b2 + k), s2), s3 = vfma(x, vload(b3 + k), s3);
      }
      float sums[4] = {vsum(s0), vsum(s1), vsum(s2), vsum(s3)};
      for (; k < g->k; k++) sums[0] += a[k] * b[k], sums[1] += a[k] * b1[k], sums[2] += a[k] * b2[k], sums[3] += a[k] * b3[k];
      float *c = g->c + (int64_t)i * g->ldc + j;
      for (int x = 0; x < w; x++) c[x] = sums[x] + (g->accumulate ? c[x] : 0);
    }
  }
}

static void rows_times_plain(const Gemm *g) {
  for (int i = 0; i < g->m; i++) {
    const float *a = g->a + (int64_t)i * g->lda;
    float *c = g->c + (int64_t)i * g->ldc;
    if (!g->accumulate) {
      for (int j = 0; j < g->n; j++) c[j] = 0;
    }
    int k = 0;
    for (; k + 4 <= g->k; k += 4) {
      const float *b0 = g->b + (int64_t)k * g->ldb, *b1 = b0 + g->ldb, *b2 = b1 + g->ldb, *b3 = b2 + g->ldb;
      vf x0 = vset(a[k]), x1 = vset(a[k + 1]), x2 = vset(a[k + 2]), x3 = vset(a[k + 3]);
      int j = 0;
      for (; j + 4 <= g->n; j += 4) {
        vf s = vfma(x0, vload(b0 + j), vload(c + j));
        s = vfma(x1, vload(b1 + j), s), s = vfma(x2, vload(b2 + j), s), s = vfma(x3, vload(b3 + j), s);
        vstore(c + j, s);
      }
      for (; j < g->n; j++) c[j] += a[k] * b0[j] + a[k + 1] * b1[j] + a[k + 2] * b2[j] + a[k + 3] * b3[j];
    }
    for (; k < g->k; k++) {
      const float *b = g->b + (int64_t)k * g->ldb;
      for (int j = 0; j < g->n; j++) c[j] += a[k] * b[j];
    }
  }
}

void gemm_block(const Gemm *given, float *scratch) {
  Gemm one_row;
  const Gemm *g = given;
  if (g->m == 1 && g->ta) one_row = *g, one_row.ta = 0, g = &one_row; // a column is a row
  int plain = !g->after.bias && !g->after.activation && !g->after.z;
  if (g->m < FEW && !g->ta) {
    if (g->tb) rows_times_transposed(g);
    else rows_times_plain(g);
    if (!plain) finish(&g->after, g->c, 0, g->ldc, g->m, g->n, 0);
    return;
  }
  float *pb = scratch, *pa = scratch + KC * (NC + NR);
  for (int j = 0; j < g->n; j += NC) {
    int columns = imin(NC, g->n - j);
    for (int k = 0; k < g->k || k == 0; k += KC) {
      int depth = imin(KC, g->k - k), last = k + KC >= g->k;
      pack_b(pb, g->tb ? g->b + (int64_t)j * g->ldb + k : g->b + (int64_t)k * g->ldb + j, g->ldb, depth, columns, !g->tb);
      for (int i = 0; i < g->m; i += MC) {
        int rows = imin(MC, g->m - i);
        pack_a(pa, g->ta ? g->a + (int64_t)k * g->lda + i : g->a + (int64_t)i * g->lda + k, g->lda, depth, rows, g->ta);
        Block block = {i, j, k, rows, columns, depth, k > 0 || g->accumulate};
        tiles(g, &block, pa, pb);
        if (last && !plain) finish(&g->after, g->c, (int64_t)i * g->ldc + j, g->ldc, rows, columns, j);
      }
    }
  }
}

typedef struct {
  const Gemm *g;
  int64_t sa, sb, sc;
  int parts, by_rows;
} Spread;

static void run_part(const void *args, int task, float *scratch) {
  const Spread *s = args;
  Gemm g = *s->g;
  int one = task / s->parts, part = task % s->parts;
  g.a += one * s->sa, g.b += one * s->sb, g.c += one * s->sc;
  if (g.after.z) g.after.z += one * s->sc;
  int unit = s->by_rows ? MR : NR, units = ((s->by_rows ? g.m : g.n) + unit - 1) / unit;
  int from = share(units, s->parts, part) * unit, to = share(units, s->parts, part + 1) * unit;
  if (s->by_rows) {
    g.a += g.ta ? from : (int64_t)from * g.lda;
    g.c += (int64_t)from * g.ldc;
    if (g.after.z) g.after.z += (int64_t)from * g.ldc;
    g.m = imin(to, g.m) - from;
  } else {
    g.b += g.tb ? (int64_t)from * g.ldb : from;
    g.c += from;
    if (g.after.z) g.after.z += from;
    if (g.after.bias) g.after.bias += from;
    g.n = imin(to, g.n) - from;
  }
  if (g.m > 0 && g.n > 0) gemm_block(&g, scratch);
}

void gemm_batch(Context *ctx, const Gemm *g, int batch, int64_t sa, int64_t sb, int64_t sc) {
  double work = (double)g->m * g->n * g->k / 16;
  int by_rows = g->m >= g->n && g->m >= 2 * MR;
  // each part packs the other operand again: parts stay large
  int most = imax(1, (by_rows ? g->m : g->n) / (g->m < FEW ? 64 : 48));
  int parts = batch >= 4 * ctx->threads ? 1 : tasks_for(ctx, work * batch, most);
  if (work * batch < 60000) {
    for (int one = 0; one < batch; one++) {
      Spread s = {g, sa, sb, sc, 1, by_rows};
      run_part(&s, one, ctx->scratch[0]);
    }
    return;
  }
  Spread s = {g, sa, sb, sc, parts, by_rows};
  fork_join(ctx, run_part, &s, batch * parts);
}

/** flags: 1 A transposed, 2 B transposed, 4 add to C. */
void EXPORT(matmul)(Context *ctx, const float *a, const float *b, float *c, int m, int n, int k, int batch, int sa,
                    int sb, int flags, const float *bias, int activation, float *z) {
  int ta = flags & 1, tb = flags >> 1 & 1;
  Gemm g = {a, b, c, m, n, k, ta ? m : k, tb ? k : n, n, ta, tb, flags >> 2 & 1, {bias, activation, z}, NO_BAND, 0, 0};
  gemm_batch(ctx, &g, batch, sa, sb, (int64_t)m * n);
}
