// Attention, forward: Milakov and Gimelshein 2018's running softmax over tiles of keys.
#include "attention.h"
#include "rows.h"

void score_tile(const Attention *s, const Tile *t, float *tile, float *scratch) {
  int g = t->h / (s->H / s->G), wide_q = s->H * s->D, wide_k = s->G * s->D;
  Gemm product = {.a = s->q + ((int64_t)t->b * s->T + t->i) * wide_q + t->h * s->D,
                  .b = s->k + ((int64_t)t->b * s->S + t->j) * wide_k + g * s->D,
                  .c = tile, .m = t->rows, .n = t->columns, .k = s->D, .lda = wide_q, .ldb = wide_k, .ldc = TK, .tb = 1};
  band_of(s, t, &product, BAND_OF_C, 0);
  gemm_block(&product, scratch);
  vf scale = vset(s->scale);
  for (int y = 0; y < t->rows; y++) {
    float *row = tile + y * TK;
    Seen see = seen(s, t, y);
    for (int x = see.begin; x < see.end; x += 4) vput(row, x, see.end, vmul(vrow(row, x, see.end), scale));
    if (s->bias) {
      const float *bias = s->bias + (int64_t)t->b * s->bias_b + (int64_t)t->h * s->bias_h + (int64_t)(t->i + y) * s->bias_t;
      if (s->bias_s) {
        for (int x = see.begin; x < see.end; x += 4) {
          vput(row, x, see.end, vadd(vrow(row, x, see.end), vrow(bias + t->j, x, see.end)));
        }
      } else {
        for (int x = see.begin; x < see.end; x++) row[x] += bias[0];
      }
    }
    for (int x = see.begin; x < see.from; x++) row[x] = -__builtin_inff();
    for (int x = see.to; x < see.end; x++) row[x] = -__builtin_inff();
  }
}

// four scores; -inf beyond the end
INLINE vf row_or_none(const float *row, int x, int end) {
  return x + 4 <= end ? vload(row + x) : vload_part(row + x, end - x, -__builtin_inff());
}

// one head, one tile of queries
static void forward_part(const void *args, int task, float *scratch) {
  const Attention *s = args;
  int tiles = (s->T + TQ - 1) / TQ;
  int i = (tiles - 1 - task % tiles) * TQ, h = task / tiles % s->H, b = task / tiles / s->H;
  int rows = imin(TQ, s->T - i), g = h / (s->H / s->G), wide_o = s->H * s->E, wide_v = s->G * s->E;
  float *tile = scratch + GEMM_SCRATCH, *factors = tile + TQ * TK, *top = factors + TK, *total = top + TQ;
  float *out = s->out + ((int64_t)b * s->T + i) * wide_o + h * s->E;
  for (int y = 0; y < rows; y++) {
    top[y] = -__builtin_inff(), total[y] = 0;
    for (int x = 0; x < s->E; x += 4) vput(out + (int64_t)y * wide_o, x, s->E, vset(0));
  }
  int first = first_key(s, i), end = end_key(s, i + rows - 1);
  for (int j = first; j < end; j += TK) {
    int columns = imin(TK, end - j);
    Tile t = {b, h, i, rows, j, columns};
    score_tile(s, &t, tile, scratch);
    for (int y = 0; y < rows; y++) {
      float *row = tile + y * TK;
      Seen see = seen(s, &t, y);
      clear_unseen(row, &see, columns);
      vf best = vset(top[y]);
      for (int x = see.begin; x < see.end; x += 4) best = wasm_f32x4_pmax(best, row_or_none(row, x, see.end));
      float m = vmaxlane(best);
      if (m == -__builtin_inff()) {
        // nothing to see here, or NaN, which the maximum passes over: it must come out
        for (int x = see.begin; x < see.end; x++) {
          if (row[x] != row[x]) top[y] = 0, total[y] = row[x];
          row[x] = 0;
        }
        continue;
      }
      vf sum = vset(0), shift = vset(m);
      for (int x = see.begin; x < see.end; x += 4) {
        vf e = vexp(vsub(row_or_none(row, x, see.end), shift));
        sum = vadd(sum, e);
        vput(row, x, see.end, e);
      }
      float fade = wasm_f32x4_extract_lane(vexp(vset(top[y] - m)), 0);
      total[y] = total[y] * fade + vsum(sum);
      if (fade != 1) {
        float *o = out + (int64_t)y * wide_o;
        for (int x = 0; x < s->E; x += 4) vput(o, x, s->E, vmul(vrow(o, x, s->E), vset(fade)));
      }
      top[y] = m;
      if (s->drops) {
        draw_factors(&s->draw, pattern_index(s, b, h, i + y, j), columns, factors);
        for (int x = see.begin; x < see.end; x += 4) {
          vput(row, x, see.end, vmul(vrow(row, x, see.end), vrow(factors, x, see.end)));
        }
      }
    }
    Gemm product = {.a = tile, .b = s->v + ((int64_t)b * s->S + j) * wide_v + g * s->E, .c = out, .m = rows,
                    .n = s->E, .k = columns, .lda = TK, .ldb = wide_v, .ldc = wide_o, .accumulate = 1};
    band_of(s, &t, &product, BAND_OF_A, 0);
    gemm_block(&product, scratch);
  }
  for (int y = 0; y < rows; y++) {
    float *o = out + (int64_t)y * wide_o;
    int empty = top[y] == -__builtin_inff();
    vf share_of = vset(empty ? 0 : 1 / total[y]);
    if (!empty) {
      for (int x = 0; x < s->E; x += 4) vput(o, x, s->E, vmul(vrow(o, x, s->E), share_of));
    }
    if (s->lse) s->lse[((int64_t)b * s->H + h) * s->T + i + y] = empty ? __builtin_inff() : top[y] + log_of(total[y]);
  }
}

/** The fields of Attention from the words that the host writes, in its order. */
void EXPORT(attention_forward)(Context *ctx, const Attention *s) {
  int tasks = s->B * s->H * ((s->T + TQ - 1) / TQ);
  if ((double)s->B * s->H * s->T * s->S * (s->D + s->E) / 12 < 60000) {
    for (int task = 0; task < tasks; task++) forward_part(s, task, ctx->scratch[0]);
  } else {
    fork_join(ctx, forward_part, s, tasks);
  }
}

int EXPORT(attention_bytes)(void) { return sizeof(Attention); }
