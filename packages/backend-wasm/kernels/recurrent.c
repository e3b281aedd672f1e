// RNN, LSTM and GRU over a whole sequence, forward and back through time. The input products of all steps are one
// product; what remains in the loop is (B, H) times (H, n H).
#include "activation.h"
#include "gemm.h"
#include "rows.h"

enum { RNN_TANH, RNN_RELU, LSTM, GRU };

typedef struct {
  const float *x, *h0, *c0, *w_ih, *w_hh, *b_ih, *b_hh;  // x (T, B, I); c0 and biases may be null
  float *out, *h, *c;                                    // (T, B, H), (B, H), (B, H)
  // kept for the way back: gates (T, B, n H) after their activations; LSTM cells (T, B, H); GRU h w_hn + b_hn (T, B, H)
  float *gates, *extra;
  float *work;  // (B, n H)
  const float *d_out, *d_h, *d_c;                        // any may be null
  float *dx, *dh0, *dc0, *dw_ih, *dw_hh, *db_ih, *db_hh; // any may be null
  float *dgh;    // (T, B, n H): gradients of h w_hh + b_hh; for all but the GRU also those of x w_ih + b_ih
  float *dgi;    // the latter (dgh itself but for the GRU)
  float *dh, *dc;  // (B, H), carried
  int T, B, I, H, mode, reverse;
} Recurrent;

int EXPORT(recurrent_bytes)(void) { return sizeof(Recurrent); }

INLINE int gates_of(int mode) { return mode == LSTM ? 4 : mode == GRU ? 3 : 1; }

static void product(Context *ctx, const float *a, const float *b, float *c, int m, int n, int k, int ta, int tb, int add,
                    const float *bias) {
  if (m == 0 || n == 0) return;
  Gemm g = {a, b, c, m, n, k, ta ? m : k, tb ? k : n, n, ta, tb, add, {bias, NONE, 0}, NO_BAND, 0, 0};
  gemm_batch(ctx, &g, 1, 0, 0, 0);
}

// gates of one step: gi already stands in `gate`, gh in `work`
static void step(const Recurrent *s, const float *h, const float *c, float *gate, float *extra, float *out) {
  int H = s->H;
  for (int b = 0; b < s->B; b++) {
    int n = gates_of(s->mode) * H;
    float *g = gate + b * n, *w = s->work + b * n, *o = out + b * H, *e = extra + b * H;
    const float *hb = h + b * H, *cb = c ? c + b * H : 0;
    for (int j = 0; j < H; j += 4) {
#define GATE(k) vadd(vrow(g + (k) * H, j, H), vrow(w + (k) * H, j, H))
      if (s->mode == RNN_TANH || s->mode == RNN_RELU) {
        vf y = GATE(0);
        y = s->mode == RNN_TANH ? vtanh(y) : wasm_f32x4_pmax(y, vset(0));
        vput(o, j, H, y);
      } else if (s->mode == LSTM) {
        vf i = vsigmoid(GATE(0)), f = vsigmoid(GATE(1)), z = vtanh(GATE(2)), u = vsigmoid(GATE(3));
        vf cell = vfma(f, vrow(cb, j, H), vmul(i, z));
        vput(g, j, H, i), vput(g + H, j, H, f), vput(g + 2 * H, j, H, z), vput(g + 3 * H, j, H, u);
        vput(e, j, H, cell);
        vput(o, j, H, vmul(u, vtanh(cell)));
      } else {
        vf r = vsigmoid(GATE(0)), z = vsigmoid(GATE(1)), hn = vrow(w + 2 * H, j, H);
        vf m = vtanh(vfma(r, hn, vrow(g + 2 * H, j, H)));
        vput(g, j, H, r), vput(g + H, j, H, z), vput(g + 2 * H, j, H, m);
        vput(e, j, H, hn);
        vput(o, j, H, vfma(z, vsub(vrow(hb, j, H), m), m));
      }
    }
  }
}

static void copy(float *to, const float *from, int n) {
  for (int i = 0; i < n; i += 4) vput(to, i, n, vrow(from, i, n));
}

void EXPORT(recurrent_forward)(Context *ctx, const Recurrent *s) {
  int H = s->H, BH = s->B * H, n = gates_of(s->mode) * H;
  product(ctx, s->x, s->w_ih, s->gates, s->T * s->B, n, s->I, 0, 1, 0, s->b_ih);
  const float *h = s->h0, *c = s->c0;
  for (int k = 0; k < s->T; k++) {
    int t = s->reverse ? s->T - 1 - k : k;
    float *out = s->out + (int64_t)t * BH, *extra = s->extra ? s->extra + (int64_t)t * BH : s->work;
    product(ctx, h, s->w_hh, s->work, s->B, n, H, 0, 1, 0, s->b_hh);
    step(s, h, c, s->gates + (int64_t)t * s->B * n, extra, out);
    h = out;
    if (s->mode == LSTM) c = extra;
  }
  copy(s->h, h, BH);
  if (s->mode == LSTM) copy(s->c, c, BH);
}

// d(gates before activation) of one step from dh and dc, which become what flows to the step before but for the product
static void step_back(const Recurrent *s, int t, const float *h, const float *c) {
  int H = s->H, n = gates_of(s->mode) * H;
  for (int b = 0; b < s->B; b++) {
    int64_t at = (int64_t)t * s->B + b;
    const float *g = s->gates + at * n, *o = s->out + at * H, *e = s->extra ? s->extra + at * H : 0;
    const float *hb = h + b * H, *cb = c ? c + b * H : 0;
    float *dg = s->dgh + at * n, *di = s->dgi + at * n, *dh = s->dh + b * H, *dc = s->dc + b * H;
    vf one = vset(1);
    for (int j = 0; j < H; j += 4) {
      vf d = vrow(dh, j, H);
      if (s->d_out) d = vadd(d, vrow(s->d_out + at * H, j, H));
      if (s->mode == RNN_TANH || s->mode == RNN_RELU) {
        vf y = vrow(o, j, H);
        vf slope_at = s->mode == RNN_TANH ? vsub(one, vmul(y, y)) : wasm_v128_and(wasm_f32x4_gt(y, vset(0)), one);
        vput(dg, j, H, vmul(d, slope_at));
        vput(dh, j, H, vset(0));
      } else if (s->mode == LSTM) {
        vf i = vrow(g, j, H), f = vrow(g + H, j, H), z = vrow(g + 2 * H, j, H), u = vrow(g + 3 * H, j, H);
        vf tc = vtanh(vrow(e, j, H));
        vf dcell = vadd(vrow(dc, j, H), vmul(vmul(d, u), vsub(one, vmul(tc, tc))));
        vput(dg, j, H, vmul(vmul(dcell, z), vmul(i, vsub(one, i))));
        vput(dg + H, j, H, vmul(vmul(dcell, vrow(cb, j, H)), vmul(f, vsub(one, f))));
        vput(dg + 2 * H, j, H, vmul(vmul(dcell, i), vsub(one, vmul(z, z))));
        vput(dg + 3 * H, j, H, vmul(vmul(d, tc), vmul(u, vsub(one, u))));
        vput(dc, j, H, vmul(dcell, f));
        vput(dh, j, H, vset(0));
      } else {
        vf r = vrow(g, j, H), z = vrow(g + H, j, H), m = vrow(g + 2 * H, j, H), hn = vrow(e, j, H);
        vf dm = vmul(vmul(d, vsub(one, z)), vsub(one, vmul(m, m)));
        vf dr = vmul(vmul(dm, hn), vmul(r, vsub(one, r)));
        vf dz = vmul(vmul(d, vsub(vrow(hb, j, H), m)), vmul(z, vsub(one, z)));
        vput(di, j, H, dr), vput(di + H, j, H, dz), vput(di + 2 * H, j, H, dm);
        vput(dg, j, H, dr), vput(dg + H, j, H, dz), vput(dg + 2 * H, j, H, vmul(dm, r));
        vput(dh, j, H, vmul(d, z));
      }
    }
  }
}

void sum_rows(Context *ctx, const float *x, float *y, int rows, int columns);

void EXPORT(recurrent_gradient)(Context *ctx, const Recurrent *s) {
  int T = s->T, B = s->B, H = s->H, BH = B * H, n = gates_of(s->mode) * H;
  for (int i = 0; i < BH; i++) s->dh[i] = s->d_h ? s->d_h[i] : 0, s->dc[i] = s->d_c ? s->d_c[i] : 0;
  for (int k = T - 1; k >= 0; k--) {
    int t = s->reverse ? T - 1 - k : k, before = s->reverse ? t + 1 : t - 1;
    const float *h = k == 0 ? s->h0 : s->out + (int64_t)before * BH;
    const float *c = s->mode != LSTM ? 0 : k == 0 ? s->c0 : s->extra + (int64_t)before * BH;
    step_back(s, t, h, c);
    product(ctx, s->dgh + (int64_t)t * B * n, s->w_hh, s->dh, B, H, n, 0, 0, 1, 0);
  }
  if (s->dh0) copy(s->dh0, s->dh, BH);
  if (s->dc0) copy(s->dc0, s->dc, BH);
  if (s->dx) product(ctx, s->dgi, s->w_ih, s->dx, T * B, s->I, n, 0, 0, 0, 0);
  if (s->dw_ih) product(ctx, s->dgi, s->x, s->dw_ih, n, s->I, T * B, 1, 0, 0, 0);
  if (s->dw_hh) {
    // each step's gates with the state before it: all but the first step's stand one step beside in `out`
    int start = s->reverse ? T - 1 : 0;
    product(ctx, s->dgh + (int64_t)start * B * n, s->h0, s->dw_hh, n, H, B, 1, 0, 0, 0);
    const float *gates = s->reverse ? s->dgh : s->dgh + (int64_t)B * n, *states = s->reverse ? s->out + BH : s->out;
    if (T > 1) product(ctx, gates, states, s->dw_hh, n, H, (T - 1) * B, 1, 0, 1, 0);
  }
  if (s->db_ih) sum_rows(ctx, s->dgi, s->db_ih, T * B, n);
  if (s->db_hh) sum_rows(ctx, s->dgh, s->db_hh, T * B, n);
}
