// Rotary positions (Su et al. 2021): pairs of features turned by the angle of their position.
#include "rows.h"

typedef struct {
  const float *x, *cos, *sin;
  float *y;
  int B, T, H, D, half, batched, interleaved, inverse, tasks;
} Turn;

static void part(const void *args, int task, float *scratch) {
  const Turn *s = args;
  int positions = s->B * s->T;
  for (int p = share(positions, s->tasks, task); p < share(positions, s->tasks, task + 1); p++) {
    int angle = (s->batched ? p : p % s->T) * s->half;
    const float *cos = s->cos + angle, *sin = s->sin + angle;
    for (int h = 0; h < s->H; h++) {
      int64_t at = ((int64_t)p * s->H + h) * s->D;
      const float *x = s->x + at;
      float *y = s->y + at;
      if (s->interleaved) {
        for (int i = 0; i < s->half; i++) {
          float si = s->inverse ? -sin[i] : sin[i], a = x[2 * i], b = x[2 * i + 1];
          y[2 * i] = a * cos[i] - b * si, y[2 * i + 1] = b * cos[i] + a * si;
        }
      } else {
        for (int i = 0; i < s->half; i += 4) {
          vf c = vrow(cos, i, s->half), si = vrow(sin, i, s->half);
          if (s->inverse) si = wasm_f32x4_neg(si);
          vf a = vrow(x, i, s->half), b = vrow(x + s->half, i, s->half);
          vput(y, i, s->half, vsub(vmul(a, c), vmul(b, si)));
          vput(y + s->half, i, s->half, vadd(vmul(b, c), vmul(a, si)));
        }
      }
      for (int i = 2 * s->half; i < s->D; i++) y[i] = x[i];
    }
  }
}

/** x (B, T, H, D); cos and sin (T, half), or (B, T, half) when batched; the inverse turns back. */
void EXPORT(rotary)(Context *ctx, const float *x, const float *cos, const float *sin, float *y, int B, int T, int H,
                    int D, int half, int batched, int interleaved, int inverse) {
  Turn s = {x, cos, sin, y, B, T, H, D, half, batched, interleaved, inverse, 1};
  s.tasks = tasks_for(ctx, (double)B * T * H * D / 2, B * T);
  fork_join(ctx, part, &s, s.tasks);
}
