// Blocks of rows from one place to another: what split, concat and slice are made of. Four-byte elements.
#include "rows.h"

typedef struct {
  const float *x;
  float *y;
  int rows, n, x_stride, y_stride, tasks;
} Copy;

static void part(const void *args, int task, float *scratch) {
  const Copy *s = args;
  for (int i = share(s->rows, s->tasks, task); i < share(s->rows, s->tasks, task + 1); i++) {
    const float *x = s->x + (int64_t)i * s->x_stride;
    float *y = s->y + (int64_t)i * s->y_stride;
    if (s->n >= 16) __builtin_memcpy(y, x, (unsigned)s->n * 4);
    else {
      for (int j = 0; j < s->n; j++) y[j] = x[j];
    }
  }
}

/** rows of n elements, strides in elements */
void EXPORT(copy_rows)(Context *ctx, const float *x, float *y, int rows, int n, int x_stride, int y_stride) {
  Copy s = {x, y, rows, n, x_stride, y_stride, 1};
  s.tasks = tasks_for(ctx, (double)rows * n / 6, rows);
  fork_join(ctx, part, &s, s.tasks);
}
