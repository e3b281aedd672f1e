// Softmax over rows, and cross-entropy of rows of logits against class ids.
#include "rows.h"

INLINE float row_max(const float *x, int n) {
  vf top = vset(-__builtin_inff());
  for (int j = 0; j < n; j += 4) {
    top = wasm_f32x4_pmax(top, j + 4 <= n ? vload(x + j) : vload_part(x + j, n - j, -__builtin_inff()));
  }
  float best = wasm_f32x4_extract_lane(top, 0);
  for (int lane = 1; lane < 4; lane++) {
    float v = lane == 1 ? wasm_f32x4_extract_lane(top, 1) : lane == 2 ? wasm_f32x4_extract_lane(top, 2) : wasm_f32x4_extract_lane(top, 3);
    if (v > best) best = v;
  }
  return best;
}

/** Sum of exp(x - top); the exponentials go to y where it is given. */
INLINE float exp_sum(const float *x, float *y, float top, int n) {
  vf total = vset(0), t = vset(top);
  for (int j = 0; j < n; j += 4) {
    vf v = j + 4 <= n ? vload(x + j) : vload_part(x + j, n - j, -__builtin_inff());
    vf e = vexp(vsub(v, t));
    total = vadd(total, e);
    if (y) vput(y, j, n, e);
  }
  return vsum(total);
}

typedef struct {
  const float *x, *lse, *d;
  const int32_t *labels;
  float *y, *out_lse;
  int rows, n, tasks, ignore;
  float smoothing;
} Rows;

#define MY_ROWS (int i = share(s->rows, s->tasks, task); i < share(s->rows, s->tasks, task + 1); i++)

static void softmax_part(const void *args, int task, float *scratch) {
  const Rows *s = args;
  for MY_ROWS {
    const float *x = s->x + (int64_t)i * s->n;
    float *y = s->y + (int64_t)i * s->n;
    float scale = 1 / exp_sum(x, y, row_max(x, s->n), s->n);
    for (int j = 0; j < s->n; j += 4) vput(y, j, s->n, vmul(vrow(y, j, s->n), vset(scale)));
  }
}

void EXPORT(softmax)(Context *ctx, const float *x, float *y, int rows, int n) {
  Rows s = {.x = x, .y = y, .rows = rows, .n = n, .tasks = tasks_for(ctx, 1.5 * rows * n, rows)};
  fork_join(ctx, softmax_part, &s, s.tasks);
}

static void loss_part(const void *args, int task, float *scratch) {
  const Rows *s = args;
  for MY_ROWS {
    const float *x = s->x + (int64_t)i * s->n;
    int label = s->labels[i];
    float top = row_max(x, s->n), lse = top + log_of(exp_sum(x, 0, top, s->n));
    s->out_lse[i] = lse;
    if (label == s->ignore) {
      s->y[i] = 0;
    } else if (label < 0 || label >= s->n) {
      s->y[i] = __builtin_nanf("");
    } else {
      float mean = s->smoothing == 0 ? 0 : (float)(row_sum(x, s->n) / s->n);
      s->y[i] = (1 - s->smoothing) * (lse - x[label]) + (s->smoothing == 0 ? 0 : s->smoothing * (lse - mean));
    }
  }
}

/** loss, lse (rows); a label that is no class gives NaN. */
void EXPORT(cross_entropy)(Context *ctx, const float *logits, const int32_t *labels, float *loss, float *lse, int rows,
                           int n, int ignore, float smoothing) {
  Rows s = {.x = logits, .labels = labels, .y = loss, .out_lse = lse, .rows = rows, .n = n, .ignore = ignore};
  s.smoothing = smoothing, s.tasks = tasks_for(ctx, 1.0 * rows * n, rows);
  fork_join(ctx, loss_part, &s, s.tasks);
}

static void loss_gradient_part(const void *args, int task, float *scratch) {
  const Rows *s = args;
  for MY_ROWS {
    const float *x = s->x + (int64_t)i * s->n;
    float *y = s->y + (int64_t)i * s->n;
    int label = s->labels[i];
    vf d = vset(label == s->ignore ? 0 : s->d[i]), lse = vset(s->lse[i]), even = vset(s->smoothing / s->n);
    for (int j = 0; j < s->n; j += 4) {
      vf p = label == s->ignore ? vset(0) : vmul(vsub(vexp(vsub(vrow(x, j, s->n), lse)), even), d);
      vput(y, j, s->n, p);
    }
    if (label != s->ignore && label >= 0 && label < s->n) y[label] -= (1 - s->smoothing) * s->d[i];
  }
}

void EXPORT(cross_entropy_gradient)(Context *ctx, const float *logits, const int32_t *labels, const float *lse,
                                    const float *d_loss, float *d_logits, int rows, int n, int ignore, float smoothing) {
  Rows s = {.x = logits, .labels = labels, .lse = lse, .d = d_loss, .y = d_logits, .rows = rows, .n = n};
  s.ignore = ignore, s.smoothing = smoothing, s.tasks = tasks_for(ctx, 1.0 * rows * n, rows);
  fork_join(ctx, loss_gradient_part, &s, s.tasks);
}
