// Permutation of axes of four-byte elements.
#include "rows.h"

#define MAX_RANK 8

typedef struct {
  int rank;
  int shape[MAX_RANK];   // of the output
  int stride[MAX_RANK];  // of each output axis in the input
} Axes;

typedef struct {
  const Axes *axes;
  const float *x;
  float *y;
  int plane;  // output axis whose input stride is 1, to be exchanged with the last; -1: the last axis has it
  int outer, tasks;
} Permute;

INLINE void block4(const float *x, int ldx, float *y, int ldy) {
  vf a = vload(x), b = vload(x + ldx), c = vload(x + 2 * ldx), d = vload(x + 3 * ldx);
  vf ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
  vf cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
  vstore(y, wasm_i64x2_shuffle(ab0, cd0, 0, 2)), vstore(y + ldy, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
  vstore(y + 2 * ldy, wasm_i64x2_shuffle(ab1, cd1, 0, 2)), vstore(y + 3 * ldy, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
}

// y[i * ldy + j] = x[j * ldx + i]
static void plane(const float *x, int ldx, float *y, int ldy, int rows, int columns) {
  for (int i0 = 0; i0 < rows; i0 += 32) {
    int i1 = imin(rows, i0 + 32);
    for (int j = 0; j < columns; j += 4) {
      int i = i0;
      if (j + 4 <= columns) {
        for (; i + 4 <= i1; i += 4) block4(x + (int64_t)j * ldx + i, ldx, y + (int64_t)i * ldy + j, ldy);
      }
      for (; i < i1; i++) {
        for (int k = j; k < imin(columns, j + 4); k++) y[(int64_t)i * ldy + k] = x[(int64_t)k * ldx + i];
      }
    }
  }
}

static void part(const void *args, int task, float *scratch) {
  const Permute *s = args;
  const Axes *a = s->axes;
  int last = a->rank - 1, out_stride[MAX_RANK];
  out_stride[last] = 1;
  for (int d = last - 1; d >= 0; d--) out_stride[d] = out_stride[d + 1] * a->shape[d + 1];
  for (int i = share(s->outer, s->tasks, task); i < share(s->outer, s->tasks, task + 1); i++) {
    const float *x = s->x;
    float *y = s->y;
    int rest = i;
    for (int d = last - 1; d >= 0; d--) {
      if (d == s->plane) continue;
      int at = rest % a->shape[d];
      rest /= a->shape[d];
      x += (int64_t)at * a->stride[d], y += (int64_t)at * out_stride[d];
    }
    int n = a->shape[last];
    if (s->plane >= 0) {
      plane(x, a->stride[last], y, out_stride[s->plane], a->shape[s->plane], n);
    } else if (a->stride[last] == 1) {
      for (int j = 0; j < n; j += 4) vput(y, j, n, vrow(x, j, n));
    } else {
      for (int j = 0; j < n; j++) y[j] = x[(int64_t)j * a->stride[last]];
    }
  }
}

void EXPORT(permute)(Context *ctx, const float *x, float *y, const Axes *axes, int n) {
  int last = axes->rank - 1;
  Permute s = {axes, x, y, -1, 1, 1};
  if (axes->stride[last] != 1) {
    for (int d = 0; d < last; d++) {
      if (axes->stride[d] == 1) s.plane = d;
    }
  }
  for (int d = 0; d < last; d++) {
    if (d != s.plane) s.outer *= axes->shape[d];
  }
  s.tasks = tasks_for(ctx, n / 2.0, s.outer);
  fork_join(ctx, part, &s, s.tasks);
}
