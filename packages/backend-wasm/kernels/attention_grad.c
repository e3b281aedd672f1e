// Attention, gradient: the pattern of a tile is computed again from the scores and the rows' log-sums (Dao et al. 2022).
#include "attention.h"
#include "rows.h"

// delta = sum of d_out out, for each row: what the softmax takes off every score's gradient
static void delta_part(const void *args, int task, float *scratch) {
  const Attention *s = args;
  int h = task % s->H, b = task / s->H, wide = s->H * s->E;
  for (int i = 0; i < s->T; i++) {
    int64_t at = ((int64_t)b * s->T + i) * wide + h * s->E;
    vf sum = vset(0);
    for (int x = 0; x < s->E; x += 4) sum = vfma(vrow(s->d_out + at, x, s->E), vrow(s->given_out + at, x, s->E), sum);
    s->delta[(int64_t)task * s->T + i] = vsum(sum);
  }
}

// one tile of queries against one tile of keys, for one head
static void tile_gradient(const Attention *s, const Tile *t, float *scratch) {
  int b = t->b, h = t->h, i = t->i, rows = t->rows, j = t->j, columns = t->columns, g = h / (s->H / s->G);
  int wide_q = s->H * s->D, wide_k = s->G * s->D, wide_o = s->H * s->E, wide_v = s->G * s->E;
  int64_t at_q = ((int64_t)b * s->T + i) * wide_q + h * s->D, at_k = ((int64_t)b * s->S + j) * wide_k + g * s->D;
  int64_t at_o = ((int64_t)b * s->T + i) * wide_o + h * s->E, at_v = ((int64_t)b * s->S + j) * wide_v + g * s->E;
  int64_t row0 = ((int64_t)b * s->H + h) * s->T + i;
  float *p = scratch + GEMM_SCRATCH, *d = p + TQ * TK, *factors = d + TQ * TK;
  score_tile(s, t, p, scratch);
  Gemm to_d = {.a = s->d_out + at_o, .b = s->v + at_v, .c = d, .m = rows, .n = columns, .k = s->E,
               .lda = wide_o, .ldb = wide_v, .ldc = TK, .tb = 1};
  band_of(s, t, &to_d, BAND_OF_C, 0);
  gemm_block(&to_d, scratch);
  vf scale = vset(s->scale);
  for (int y = 0; y < rows; y++) {
    float *pr = p + y * TK, *dr = d + y * TK;
    vf lse = vset(s->given_lse[row0 + y]), delta = vset(s->delta[row0 + y]);
    float *to = s->d_scores ? s->d_scores + pattern_index(s, b, h, i + y, j) : 0;
    Seen see = seen(s, t, y);
    clear_unseen(pr, &see, columns), clear_unseen(dr, &see, columns);
    if (s->drops) draw_factors(&s->draw, pattern_index(s, b, h, i + y, j), columns, factors);
    for (int x = see.begin; x < see.end; x += 4) {
      vf w = vexp(vsub(vrow(pr, x, see.end), lse)), dw = vrow(dr, x, see.end), kept = w;
      if (s->drops) {
        vf f = vrow(factors, x, see.end);
        kept = vmul(w, f), dw = vmul(dw, f);
      }
      vf ds = vmul(w, vsub(dw, delta));
      vput(pr, x, see.end, kept);
      vput(dr, x, see.end, vmul(ds, scale));
      if (to) vput(to, x, see.end, ds);
    }
  }
  if (s->dv) {
    Gemm g1 = {.a = p, .b = s->d_out + at_o, .c = s->dv + at_v, .m = columns, .n = s->E, .k = rows,
               .lda = TK, .ldb = wide_o, .ldc = wide_v, .ta = 1, .accumulate = 1};
    band_of(s, t, &g1, BAND_OF_A, 1);
    gemm_block(&g1, scratch);
  }
  if (s->dk) {
    Gemm g2 = {.a = d, .b = s->q + at_q, .c = s->dk + at_k, .m = columns, .n = s->D, .k = rows,
               .lda = TK, .ldb = wide_q, .ldc = wide_k, .ta = 1, .accumulate = 1};
    band_of(s, t, &g2, BAND_OF_A, 1);
    gemm_block(&g2, scratch);
  }
  if (s->dq) {
    Gemm g3 = {.a = d, .b = s->k + at_k, .c = s->dq + at_q, .m = rows, .n = s->D, .k = columns,
               .lda = TK, .ldb = wide_k, .ldc = wide_q, .accumulate = 1};
    band_of(s, t, &g3, BAND_OF_A, 0);
    gemm_block(&g3, scratch);
  }
}

// one group of keys and values with all heads that read it: nobody else writes its gradients
static void gradient_part(const void *args, int task, float *scratch) {
  const Attention *s = args;
  int g = task % s->G, b = task / s->G, shared_by = s->H / s->G;
  for (int j = 0; j < s->S; j += TK) {
    int columns = imin(TK, s->S - j);
    for (int h = g * shared_by; h < (g + 1) * shared_by; h++) {
      for (int i = 0; i < s->T; i += TQ) {
        int rows = imin(TQ, s->T - i);
        if (first_key(s, i) >= j + columns || end_key(s, i + rows - 1) <= j) continue;
        Tile t = {b, h, i, rows, j, columns};
        tile_gradient(s, &t, scratch);
      }
    }
  }
}

void EXPORT(attention_gradient)(Context *ctx, const Attention *s) {
  fork_join(ctx, delta_part, s, s->B * s->H);
  fork_join(ctx, gradient_part, s, s->B * s->G);
}
