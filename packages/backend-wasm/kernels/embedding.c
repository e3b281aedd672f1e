// Rows of a table by id, and the sum of rows by id (the gradient of the former, and segment sums).
#include "rows.h"

typedef struct {
  const float *table;
  const int32_t *ids;
  float *y;
  int n, C, V, padding, tasks;
} Lookup;

static void gather_part(const void *args, int task, float *scratch) {
  const Lookup *s = args;
  for (int i = share(s->n, s->tasks, task); i < share(s->n, s->tasks, task + 1); i++) {
    int id = s->ids[i];
    float *y = s->y + (int64_t)i * s->C;
    if (id < 0 || id >= s->V) {
      for (int j = 0; j < s->C; j++) y[j] = __builtin_nanf("");
    } else {
      const float *x = s->table + (int64_t)id * s->C;
      for (int j = 0; j < s->C; j += 4) vput(y, j, s->C, vrow(x, j, s->C));
    }
  }
}

/** y (n, C) = rows of table (V, C); an id that is no row gives NaN. */
void EXPORT(embedding)(Context *ctx, const float *table, const int32_t *ids, float *y, int n, int C, int V) {
  Lookup s = {table, ids, y, n, C, V, -1, 1};
  s.tasks = tasks_for(ctx, (double)n * C / 4, n);
  fork_join(ctx, gather_part, &s, s.tasks);
}

// each task owns a range of columns: rows with the same id never meet
static void scatter_part(const void *args, int task, float *scratch) {
  const Lookup *s = args;
  int units = (s->C + 3) / 4;
  int from = share(units, s->tasks, task) * 4, to = imin(s->C, share(units, s->tasks, task + 1) * 4);
  for (int i = 0; i < s->n; i++) {
    int id = s->ids[i];
    if (id < 0 || id >= s->V || id == s->padding) continue;
    const float *x = s->table + (int64_t)i * s->C;
    float *y = s->y + (int64_t)id * s->C;
    for (int j = from; j < to; j += 4) vput(y, j, to, vadd(vrow(y, j, to), vrow(x, j, to)));
  }
}

/** sums (V, C), zeros before, += rows of x (n, C) at their ids; ids that are no row, and `padding`, are left out. */
void EXPORT(scatter_add)(Context *ctx, const float *x, const int32_t *ids, float *sums, int n, int C, int V,
                         int padding) {
  Lookup s = {x, ids, sums, n, C, V, padding, 1};
  s.tasks = imin(tasks_for(ctx, (double)n * C / 3, (C + 3) / 4), ctx->threads);
  fork_join(ctx, scatter_part, &s, s.tasks);
}
