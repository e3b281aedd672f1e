// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019) over rows, forward and gradient.
#include "rows.h"

typedef struct {
  const float *x, *w, *b, *dy;
  float *y, *dx, *mean, *rstd, *partials;  // partials (tasks, 2, C): what each task adds to dw and db
  int rows, C, tasks, rms;
  float eps;
} Norm;

#define MY_ROWS (int i = share(s->rows, s->tasks, task); i < share(s->rows, s->tasks, task + 1); i++)

static void forward_part(const void *args, int task, float *scratch) {
  const Norm *s = args;
  int C = s->C;
  for MY_ROWS {
    const float *x = s->x + (int64_t)i * C;
    float *y = s->y + (int64_t)i * C;
    float mean = s->rms ? 0 : (float)(row_sum(x, C) / C);
    vf m = vset(mean), squares = vset(0);
    int j = 0;
    for (; j + 4 <= C; j += 4) {
      vf d = vsub(vload(x + j), m);
      squares = vfma(d, d, squares);
    }
    float total = vsum(squares);
    for (; j < C; j++) total += (x[j] - mean) * (x[j] - mean);
    float rstd = 1 / __builtin_sqrtf(total / C + s->eps);
    if (s->mean) s->mean[i] = mean;
    if (s->rstd) s->rstd[i] = rstd;
    vf r = vset(rstd);
    for (j = 0; j < C; j += 4) {
      vf v = vmul(vsub(vrow(x, j, C), m), r);
      if (s->w) v = vmul(v, vrow(s->w, j, C));
      if (s->b) v = vadd(v, vrow(s->b, j, C));
      vput(y, j, C, v);
    }
  }
}

// with h = (x - mean) rstd and g = dy w: dx = rstd (g - mean(g) - h mean(g h)); RMS norm has no mean(g)
static void gradient_part(const void *args, int task, float *scratch) {
  const Norm *s = args;
  int C = s->C;
  float *dw = s->partials ? s->partials + (int64_t)task * 2 * C : 0, *db = dw ? dw + C : 0;
  if (dw) {
    for (int j = 0; j < 2 * C; j++) dw[j] = 0;
  }
  for MY_ROWS {
    const float *x = s->x + (int64_t)i * C, *dy = s->dy + (int64_t)i * C;
    vf m = vset(s->rms ? 0 : s->mean[i]), r = vset(s->rstd[i]);
    vf sum_g = vset(0), sum_gh = vset(0);
    for (int j = 0; j < C; j += 4) {
      vf d = vrow(dy, j, C), h = vmul(vsub(vrow(x, j, C), m), r);
      vf g = s->w ? vmul(d, vrow(s->w, j, C)) : d;
      sum_g = vadd(sum_g, g), sum_gh = vfma(g, h, sum_gh);
      if (dw) {
        vput(dw, j, C, vfma(d, h, vrow(dw, j, C)));
        vput(db, j, C, vadd(d, vrow(db, j, C)));
      }
    }
    if (!s->dx) continue;
    vf mean_g = vset(s->rms ? 0 : vsum(sum_g) / C), mean_gh = vset(vsum(sum_gh) / C);
    float *dx = s->dx + (int64_t)i * C;
    for (int j = 0; j < C; j += 4) {
      vf d = vrow(dy, j, C), h = vmul(vsub(vrow(x, j, C), m), r);
      vf g = s->w ? vmul(d, vrow(s->w, j, C)) : d;
      vput(dx, j, C, vmul(r, vsub(vsub(g, mean_g), vmul(h, mean_gh))));
    }
  }
}

/** w, b, mean and rstd may be null; mean and rstd are (rows). */
void EXPORT(norm_forward)(Context *ctx, const float *x, const float *w, const float *b, float *y, float *mean,
                          float *rstd, int rows, int C, float eps, int rms) {
  Norm s = {.x = x, .w = w, .b = b, .y = y, .mean = mean, .rstd = rstd, .rows = rows, .C = C, .eps = eps, .rms = rms};
  s.tasks = tasks_for(ctx, (double)rows * C, rows);
  fork_join(ctx, forward_part, &s, s.tasks);
}

/** dx, dw and db may be null; partials (threads, 2, C) is wanted for dw or db. */
void EXPORT(norm_gradient)(Context *ctx, const float *x, const float *w, float *mean, float *rstd, const float *dy,
                           float *dx, float *dw, float *db, float *partials, int rows, int C, int rms) {
  Norm s = {.x = x, .w = w, .dy = dy, .dx = dx, .mean = mean, .rstd = rstd, .rows = rows, .C = C, .rms = rms};
  s.partials = dw || db ? partials : 0;
  // one task for a thread: the order of the sums depends on the number of threads alone
  s.tasks = imin(ctx->threads, imax(1, rows));
  if ((double)rows * C < 60000) s.tasks = 1;
  fork_join(ctx, gradient_part, &s, s.tasks);
  for (int which = 0; which < 2; which++) {
    float *to = which ? db : dw;
    if (!to) continue;
    for (int j = 0; j < C; j++) {
      float total = 0;
      for (int task = 0; task < s.tasks; task++) total += partials[(int64_t)(2 * task + which) * C + j];
      to[j] = total;
    }
  }
}
