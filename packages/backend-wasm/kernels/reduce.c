// Sums over rows and over columns.
#include "rows.h"

typedef struct {
  const float *x;
  float *y;
  int rows, columns, tasks;
  float scale;
} Reduce;

#define WIDE 16

static void columns_part(const void *args, int task, float *scratch) {
  const Reduce *s = args;
  int units = (s->columns + WIDE - 1) / WIDE;
  int from = share(units, s->tasks, task) * WIDE, end = imin(s->columns, share(units, s->tasks, task + 1) * WIDE);
  for (int j = from; j < end; j += 4) {
    float *y = s->y + j;
    vput(y, 0, end - j, vset(0));
  }
  for (int first = 0; first < s->rows; first += 128) {
    int last = imin(s->rows, first + 128), j = from;
    for (; j + WIDE <= end; j += WIDE) {
      vf a = vset(0), b = a, c = a, d = a;
      const float *x = s->x + (int64_t)first * s->columns + j;
      for (int i = first; i < last; i++, x += s->columns) {
        a = vadd(a, vload(x)), b = vadd(b, vload(x + 4)), c = vadd(c, vload(x + 8)), d = vadd(d, vload(x + 12));
      }
      float *y = s->y + j;
      vstore(y, vadd(vload(y), a)), vstore(y + 4, vadd(vload(y + 4), b));
      vstore(y + 8, vadd(vload(y + 8), c)), vstore(y + 12, vadd(vload(y + 12), d));
    }
    for (; j < end; j += 4) {
      vf a = vset(0);
      for (int i = first; i < last; i++) a = vadd(a, vrow(s->x + (int64_t)i * s->columns + j, 0, end - j));
      vput(s->y + j, 0, end - j, vadd(vrow(s->y + j, 0, end - j), a));
    }
  }
}

/** y (columns) = sum of the rows of x (rows, columns) */
void EXPORT(sum_rows)(Context *ctx, const float *x, float *y, int rows, int columns) {
  int tasks = tasks_for(ctx, (double)rows * columns / 6, (columns + WIDE - 1) / WIDE);
  Reduce s = {x, y, rows, columns, imin(tasks, ctx->threads), 1};
  fork_join(ctx, columns_part, &s, s.tasks);
}

static void rows_part(const void *args, int task, float *scratch) {
  const Reduce *s = args;
  for (int i = share(s->rows, s->tasks, task); i < share(s->rows, s->tasks, task + 1); i++) {
    s->y[i] = (float)(row_sum(s->x + (int64_t)i * s->columns, s->columns) * s->scale);
  }
}

/** y (rows) = scale times the sum of each row of x (rows, columns) */
void EXPORT(sum_columns)(Context *ctx, const float *x, float *y, int rows, int columns, float scale) {
  Reduce s = {x, y, rows, columns, tasks_for(ctx, (double)rows * columns / 4, rows), scale};
  fork_join(ctx, rows_part, &s, s.tasks);
}

typedef struct {
  const float *x;
  float *y;
  int count, inner, tasks;
} Middle;

static void middle_part(const void *args, int task, float *scratch) {
  const Middle *s = args;
  Reduce one = {0, 0, s->count, s->inner, 1, 1};
  one.x = s->x + (int64_t)task * s->count * s->inner;
  one.y = s->y + (int64_t)task * s->inner;
  columns_part(&one, 0, scratch);
}

/** y (outer, inner) = sum over the middle of x (outer, count, inner) */
void EXPORT(sum_middle)(Context *ctx, const float *x, float *y, int outer, int count, int inner) {
  Middle s = {x, y, count, inner, outer};
  if ((double)outer * count * inner < 200000) {
    for (int i = 0; i < outer; i++) middle_part(&s, i, ctx->scratch[0]);
  } else {
    fork_join(ctx, middle_part, &s, outer);
  }
}

static void scale_part(const void *args, int task, float *scratch) {
  const Reduce *s = args;
  for (int i = share(s->rows, s->tasks, task); i < share(s->rows, s->tasks, task + 1); i++) s->y[i] = s->x[i] * s->scale;
}

/** y = scale x */
void EXPORT(scale)(Context *ctx, const float *x, float *y, int n, float scale) {
  Reduce s = {x, y, n, 1, tasks_for(ctx, n / 4.0, n), scale};
  fork_join(ctx, scale_part, &s, s.tasks);
}
