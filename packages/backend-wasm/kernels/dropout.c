// Dropout (Srivastava et al. 2014): the same draws as everywhere, made inside the kernel.
#include "philox.h"
#include "rows.h"

#define CHUNK 4096
typedef struct {
  const float *x;
  float *y;
  int n;
  Draw draw;
} Drop;

static void part(const void *args, int task, float *scratch) {
  const Drop *s = args;
  int at = task * CHUNK, n = imin(CHUNK, s->n - at);
  draw_factors(&s->draw, at, n, scratch);
  for (int i = 0; i < n; i += 4) vput(s->y + at, i, n, vmul(vrow(s->x + at, i, n), vrow(scratch, i, n)));
}

void EXPORT(dropout)(Context *ctx, const float *x, float *y, int n, uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1,
                     uint32_t threshold, float kept) {
  Drop s = {x, y, n, {k0, k1, c0, c1, threshold, kept}};
  int chunks = (n + CHUNK - 1) / CHUNK;
  if (n < 30000) {
    for (int task = 0; task < chunks; task++) part(&s, task, ctx->scratch[0]);
  } else {
    fork_join(ctx, part, &s, chunks);
  }
}
