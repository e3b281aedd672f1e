// Elementwise functions that tfjs' engine computes one by one, with broadcasting; selection; reversal.
#include "rows.h"

#define MAX_RANK 8
enum { MAXIMUM, MINIMUM };

/** Axes of the output, and the strides of each operand on them (0 where it is repeated). */
typedef struct {
  int rank;
  int shape[MAX_RANK], a[MAX_RANK], b[MAX_RANK];
} Broadcast;

typedef struct {
  const Broadcast *axes;
  const float *a, *b;
  float *y;
  int kind, rows, tasks;
} Binary;

INLINE vf apply(vf a, vf b, int kind) { return kind == MAXIMUM ? vmax(a, b) : wasm_f32x4_min(a, b); }

static void binary_part(const void *args, int task, float *scratch) {
  const Binary *s = args;
  const Broadcast *x = s->axes;
  int last = x->rank - 1, n = x->shape[last], step_a = x->a[last], step_b = x->b[last];
  for (int row = share(s->rows, s->tasks, task); row < share(s->rows, s->tasks, task + 1); row++) {
    const float *a = s->a, *b = s->b;
    float *y = s->y + (int64_t)row * n;
    for (int d = last - 1, rest = row; d >= 0; d--) {
      int at = rest % x->shape[d];
      rest /= x->shape[d];
      a += (int64_t)at * x->a[d], b += (int64_t)at * x->b[d];
    }
    for (int i = 0; i < n; i += 4) {
      vf p = step_a ? vrow(a, i, n) : vset(a[0]), q = step_b ? vrow(b, i, n) : vset(b[0]);
      vput(y, i, n, apply(p, q, s->kind));
    }
  }
}

/** y = f(a, b); the strides on the last axis are 1 or 0 */
void EXPORT(binary)(Context *ctx, const float *a, const float *b, float *y, int kind, int rows, const Broadcast *axes) {
  Binary s = {axes, a, b, y, kind, rows, 1};
  s.tasks = tasks_for(ctx, (double)rows * axes->shape[axes->rank - 1] / 3, rows);
  fork_join(ctx, binary_part, &s, s.tasks);
}

typedef struct {
  const uint8_t *condition;
  const float *x, *other;
  float *y;
  int n, tasks;
} Choice;

static void choose_part(const void *args, int task, float *scratch) {
  const Choice *s = args;
  int i = share(s->n, s->tasks, task), end = share(s->n, s->tasks, task + 1);
  for (; i + 4 <= end; i += 4) {
    vf bytes = wasm_v128_load32_zero(s->condition + i);
    vf mask = wasm_i32x4_ne(wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(bytes)), wasm_i32x4_splat(0));
    vstore(s->y + i, vselect(mask, vload(s->x + i), vload(s->other + i)));
  }
  for (; i < end; i++) s->y[i] = s->condition[i] ? s->x[i] : s->other[i];
}

/** y = condition ? x : other, one condition for each four-byte element */
void EXPORT(choose)(Context *ctx, const uint8_t *condition, const float *x, const float *other, float *y, int n) {
  Choice s = {condition, x, other, y, n, tasks_for(ctx, n / 3.0, n)};
  fork_join(ctx, choose_part, &s, s.tasks);
}

typedef struct {
  const float *x;
  const int32_t *ids;
  float *y;
  int count, n, inner, tasks;
} Take;

static void take_part(const void *args, int task, float *scratch) {
  const Take *s = args;
  for (int i = share(s->count, s->tasks, task); i < share(s->count, s->tasks, task + 1); i++) {
    const float *x = s->x + (int64_t)s->ids[i] * s->inner;
    float *y = s->y + (int64_t)i * s->inner;
    if (s->inner >= 16) __builtin_memcpy(y, x, (unsigned)s->inner * 4);
    else {
      for (int j = 0; j < s->inner; j++) y[j] = x[j];
    }
  }
}

/** y (outer, count, inner) = x (outer, n, inner) at ids (count); the place of the first id outside, or -1 */
int EXPORT(take)(Context *ctx, const float *x, const int32_t *ids, float *y, int outer, int n, int count, int inner) {
  for (int i = 0; i < count; i++) {
    if (ids[i] < 0 || ids[i] >= n) return i;
  }
  for (int o = 0; o < outer; o++) {
    Take s = {x + (int64_t)o * n * inner, ids, y + (int64_t)o * count * inner, count, n, inner, 1};
    s.tasks = tasks_for(ctx, (double)count * inner / 4, count);
    fork_join(ctx, take_part, &s, s.tasks);
  }
  return -1;
}

/** y (outer, n, inner) = x with the order of its middle axis turned round */
void EXPORT(reverse)(Context *ctx, const float *x, float *y, int outer, int n, int inner) {
  for (int o = 0; o < outer; o++, x += (int64_t)n * inner, y += (int64_t)n * inner) {
    for (int i = 0; i < n; i++) {
      const float *from = x + (int64_t)(n - 1 - i) * inner;
      float *to = y + (int64_t)i * inner;
      if (inner >= 16) __builtin_memcpy(to, from, (unsigned)inner * 4);
      else {
        for (int j = 0; j < inner; j++) to[j] = from[j];
      }
    }
  }
}
