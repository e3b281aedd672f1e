// Convolutions as products of patches: x (H, W, C) of one image, patches (OH OW, KH KW C).
#include "rows.h"

typedef struct {
  int H, W, C, KH, KW, OH, OW, SH, SW, DH, DW, top, left;
} Window;

typedef struct {
  const Window *w;
  const float *x;
  float *y;
  int tasks;
} Gather;

static void patch_part(const void *args, int task, float *scratch) {
  const Gather *s = args;
  const Window *w = s->w;
  for (int oy = share(w->OH, s->tasks, task); oy < share(w->OH, s->tasks, task + 1); oy++) {
    for (int ox = 0; ox < w->OW; ox++) {
      float *y = s->y + ((int64_t)oy * w->OW + ox) * w->KH * w->KW * w->C;
      for (int ky = 0; ky < w->KH; ky++) {
        int iy = oy * w->SH - w->top + ky * w->DH;
        for (int kx = 0; kx < w->KW; kx++, y += w->C) {
          int ix = ox * w->SW - w->left + kx * w->DW, inside = iy >= 0 && iy < w->H && ix >= 0 && ix < w->W;
          const float *x = inside ? s->x + ((int64_t)iy * w->W + ix) * w->C : 0;
          for (int c = 0; c < w->C; c += 4) vput(y, c, w->C, inside ? vrow(x, c, w->C) : vset(0));
        }
      }
    }
  }
}

/** patches of one image */
void EXPORT(patches)(Context *ctx, const float *x, float *patches, const Window *w) {
  Gather s = {w, x, patches, 1};
  s.tasks = tasks_for(ctx, (double)w->OH * w->OW * w->KH * w->KW * w->C / 2, w->OH);
  fork_join(ctx, patch_part, &s, s.tasks);
}

// an input pixel takes from every patch that holds it
static void unpatch_part(const void *args, int task, float *scratch) {
  const Gather *s = args;
  const Window *w = s->w;
  for (int iy = share(w->H, s->tasks, task); iy < share(w->H, s->tasks, task + 1); iy++) {
    for (int ix = 0; ix < w->W; ix++) {
      float *y = s->y + ((int64_t)iy * w->W + ix) * w->C;
      for (int c = 0; c < w->C; c += 4) vput(y, c, w->C, vset(0));
      for (int ky = 0; ky < w->KH; ky++) {
        int up = iy + w->top - ky * w->DH, oy = up / w->SH;
        if (up < 0 || up % w->SH || oy >= w->OH) continue;
        for (int kx = 0; kx < w->KW; kx++) {
          int along = ix + w->left - kx * w->DW, ox = along / w->SW;
          if (along < 0 || along % w->SW || ox >= w->OW) continue;
          const float *x = s->x + (((int64_t)oy * w->OW + ox) * w->KH * w->KW + ky * w->KW + kx) * w->C;
          for (int c = 0; c < w->C; c += 4) vput(y, c, w->C, vadd(vrow(y, c, w->C), vrow(x, c, w->C)));
        }
      }
    }
  }
}

/** x = sum of the patches at their places */
void EXPORT(unpatch)(Context *ctx, const float *patches, float *x, const Window *w) {
  Gather s = {w, patches, x, 1};
  s.tasks = tasks_for(ctx, (double)w->OH * w->OW * w->KH * w->KW * w->C / 2, w->H);
  fork_join(ctx, unpatch_part, &s, s.tasks);
}
