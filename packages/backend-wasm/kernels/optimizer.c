// Optimizer steps on the parameter and its state in place, as PyTorch takes them.
#include "rows.h"

#define CHUNK 4096

typedef struct {
  float *p, *m, *v, *extra;  // parameter; the state, by optimizer
  const float *g;
  int n, kind, flag, first;  // flag: AdamW coupled, Adagrad eps inside, SGD nesterov, RMSprop centered
  float lr, a, b, eps, decay, sign, c1, c2;
} Step;

enum { ADAMW, ADAGRAD, SGD, RMSPROP };

INLINE vf root(vf x) { return wasm_f32x4_sqrt(x); }

// Loshchilov and Hutter 2019; coupled: the decay goes into the gradient. extra: the largest squares (Reddi et al. 2018)
INLINE void adamw(const Step *s, int i, int n) {
  vf w = vrow(s->p, i, n), d = vmul(vrow(s->g, i, n), vset(s->sign));
  if (s->flag) d = vadd(d, vmul(w, vset(s->decay)));
  else w = vmul(w, vset(1 - s->lr * s->decay));
  vf m = vadd(vmul(vrow(s->m, i, n), vset(s->a)), vmul(d, vset(1 - s->a)));
  vf v = vadd(vmul(vrow(s->v, i, n), vset(s->b)), vmul(vmul(d, d), vset(1 - s->b)));
  vput(s->m, i, n, m);
  vput(s->v, i, n, v);
  if (s->extra) {
    v = vmax(vrow(s->extra, i, n), v);
    vput(s->extra, i, n, v);
  }
  vf deviation = vadd(vmul(root(v), vset(1 / __builtin_sqrtf(s->c2))), vset(s->eps));
  vput(s->p, i, n, vsub(w, vmul(vdiv(m, deviation), vset(s->lr / s->c1))));
}

// Duchi, Hazan and Singer 2011
INLINE void adagrad(const Step *s, int i, int n) {
  vf w = vrow(s->p, i, n), d = vadd(vmul(vrow(s->g, i, n), vset(s->sign)), vmul(w, vset(s->decay)));
  vf sum = vadd(vrow(s->m, i, n), vmul(d, d)), eps = vset(s->eps);
  vput(s->m, i, n, sum);
  vf deviation = s->flag ? root(vadd(sum, eps)) : vadd(root(sum), eps);
  vput(s->p, i, n, vsub(w, vmul(vdiv(d, deviation), vset(s->lr))));
}

// a: momentum, b: 1 - dampening
INLINE void sgd(const Step *s, int i, int n) {
  vf w = vrow(s->p, i, n), d = vadd(vmul(vrow(s->g, i, n), vset(s->sign)), vmul(w, vset(s->decay)));
  if (s->m) {
    vf moving = s->first ? d : vadd(vmul(vrow(s->m, i, n), vset(s->a)), vmul(d, vset(s->b)));
    vput(s->m, i, n, moving);
    d = s->flag ? vadd(d, vmul(moving, vset(s->a))) : moving;
  }
  vput(s->p, i, n, vsub(w, vmul(d, vset(s->lr))));
}

// Hinton 2012, centred as Graves 2013. a: alpha, b: momentum; m squares, v mean, extra momentum
INLINE void rmsprop(const Step *s, int i, int n) {
  vf w = vrow(s->p, i, n), d = vadd(vmul(vrow(s->g, i, n), vset(s->sign)), vmul(w, vset(s->decay)));
  vf squares = vadd(vmul(vrow(s->m, i, n), vset(s->a)), vmul(vmul(d, d), vset(1 - s->a))), spread = squares;
  vput(s->m, i, n, squares);
  if (s->flag) {
    vf mean = vadd(vmul(vrow(s->v, i, n), vset(s->a)), vmul(d, vset(1 - s->a)));
    vput(s->v, i, n, mean);
    spread = vsub(squares, vmul(mean, mean));
  }
  vf move = vdiv(d, vadd(root(spread), vset(s->eps)));
  if (s->extra) {
    move = vadd(vmul(vrow(s->extra, i, n), vset(s->b)), move);
    vput(s->extra, i, n, move);
  }
  vput(s->p, i, n, vsub(w, vmul(move, vset(s->lr))));
}

static void part(const void *args, int task, float *scratch) {
  const Step *s = args;
  int end = imin(s->n, (task + 1) * CHUNK);
  for (int i = task * CHUNK; i < end; i += 4) {
    if (s->kind == ADAMW) adamw(s, i, end);
    else if (s->kind == ADAGRAD) adagrad(s, i, end);
    else if (s->kind == SGD) sgd(s, i, end);
    else rmsprop(s, i, end);
  }
}

/** The words of Step from the host. */
void EXPORT(optimizer_step)(Context *ctx, const Step *s) {
  int chunks = (s->n + CHUNK - 1) / CHUNK;
  if (s->n < 60000) {
    for (int task = 0; task < chunks; task++) part(s, task, 0);
  } else {
    fork_join(ctx, part, s, chunks);
  }
}
