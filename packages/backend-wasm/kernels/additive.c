// Scores of additive attention, v . tanh(a_t + b_s) (Bahdanau et al. 2015), whose hidden layer is never held.
#include "rows.h"

typedef struct {
  const float *a, *b, *v, *dy;
  float *scores, *d_a, *d_b, *parts;
  int B, T, S, A, tasks;
} Additive;

static void scores_part(const void *args, int task, float *scratch) {
  const Additive *p = args;
  int rows = p->B * p->T, A = p->A;
  for (int row = share(rows, p->tasks, task); row < share(rows, p->tasks, task + 1); row++) {
    const float *a = p->a + (int64_t)row * A, *b = p->b + (int64_t)(row / p->T) * p->S * A;
    for (int s = 0; s < p->S; s++, b += A) {
      vf score = vset(0);
      for (int c = 0; c < A; c += 4) {
        score = vfma(vrow(p->v, c, A), vtanh(vadd(vrow(a, c, A), vrow(b, c, A))), score);
      }
      p->scores[(int64_t)row * p->S + s] = vsum(score);
    }
  }
}

/** a (B, T, A), b (B, S, A), v (A) -> scores (B, T, S) */
void EXPORT(additive_scores)(Context *ctx, const float *a, const float *b, const float *v, float *scores, int B, int T,
                             int S, int A) {
  Additive p = {.a = a, .b = b, .v = v, .scores = scores, .B = B, .T = T, .S = S, .A = A};
  p.tasks = tasks_for(ctx, (double)B * T * S * A * 4, B * T);
  fork_join(ctx, scores_part, &p, p.tasks);
}

// Four features of one batch: all sums but those over batches stay inside.
static void gradient_of(const Additive *p, int batch, int c) {
  int T = p->T, S = p->S, A = p->A, n = A - c;
  const float *a = p->a + (int64_t)batch * T * A + c, *b = p->b + (int64_t)batch * S * A + c;
  const float *dy = p->dy + (int64_t)batch * T * S;
  float *d_a = p->d_a ? p->d_a + (int64_t)batch * T * A + c : 0, *d_b = p->d_b ? p->d_b + (int64_t)batch * S * A + c : 0;
  vf v = vrow(p->v + c, 0, n), sum_v = vset(0), one = vset(1);
  if (d_b)
    for (int s = 0; s < S; s++) vput(d_b + (int64_t)s * A, 0, n, vset(0));
  for (int t = 0; t < T; t++) {
    vf x = vrow(a + (int64_t)t * A, 0, n), sum_a = vset(0);
    for (int s = 0; s < S; s++) {
      vf h = vtanh(vadd(x, vrow(b + (int64_t)s * A, 0, n))), g = vset(dy[t * S + s]);
      vf dx = vmul(vmul(g, v), vsub(one, vmul(h, h)));
      sum_v = vfma(g, h, sum_v);
      sum_a = vadd(sum_a, dx);
      float *to = d_b + (int64_t)s * A;
      if (d_b) vput(to, 0, n, vadd(vrow(to, 0, n), dx));
    }
    if (d_a) vput(d_a + (int64_t)t * A, 0, n, sum_a);
  }
  if (p->parts) vput(p->parts + (int64_t)batch * A + c, 0, n, sum_v);
}

static void gradient_part(const void *args, int task, float *scratch) {
  const Additive *p = args;
  int chunks = (p->A + 3) / 4;
  for (int i = share(p->B * chunks, p->tasks, task); i < share(p->B * chunks, p->tasks, task + 1); i++) {
    gradient_of(p, i / chunks, i % chunks * 4);
  }
}

/** Each gradient may be null; that of v comes for each batch, (B, A). */
void EXPORT(additive_gradient)(Context *ctx, const float *a, const float *b, const float *v, const float *dy, float *d_a,
                               float *d_b, float *parts, int B, int T, int S, int A) {
  Additive p = {.a = a, .b = b, .v = v, .dy = dy, .d_a = d_a, .d_b = d_b, .parts = parts, .B = B, .T = T, .S = S, .A = A};
  p.tasks = tasks_for(ctx, (double)B * T * S * A * 6, B * ((A + 3) / 4));
  fork_join(ctx, gradient_part, &p, p.tasks);
}
