// Backpropagation through time: one walk back over the steps for what hangs on the step before, then every weight's gradient
// as one product over all steps.
#include "recurrent.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

// Gradients before the activations, for every step: of the products with x, and of those with h (they differ in a GRU).
struct Walkback {
  float *gates, *hidden;  // (T, B, nH)
  float *d_h, *d_c;       // (B, H), of the step at hand
  float* keep;            // (B, H): the part of d_h that reaches the step before past the gates (GRU)
};

void step_back(const RecurrentGrad& g, const Walkback& w, Rows rows, int64_t t, int64_t j0, int64_t n,
               const float* h_prev, const float* c_prev) {
  const Recurrent& r = g.forward;
  const int64_t H = r.H, G = gate_count(r.cell) * H;
  for (int64_t b = rows.from; b < rows.from + rows.count; b++) {
    const int64_t row = t * r.B + b, at = b * H + j0;
    const float *gates = r.reserve + row * G + j0, *tail = reserve_tail(r) + row * H + j0;
    float *dg = w.gates + row * G + j0, *dh = w.hidden + row * G + j0;
    for (int64_t j = 0; j < n; j += W) {
      const int64_t part = n - j < W ? n - j : W;
      vf d = part_of(w.d_h + at + j, part);
      if (g.d_out) d += part_of(g.d_out + row * H + j0 + j, part);
      if (r.cell == kCellTanh || r.cell == kCellRelu) {
        const vf h = part_of(r.out + row * H + j0 + j, part);
        put_part(dg + j, r.cell == kCellTanh ? d * (1.0f - h * h) : select(h > 0.0f, d, vf{}), part);
      } else if (r.cell == kCellLstm) {
        const vf i = part_of(gates + j, part), f = part_of(gates + H + j, part), u = part_of(gates + 2 * H + j, part);
        const vf o = part_of(gates + 3 * H + j, part), c = tanh(part_of(tail + j, part));
        const vf dc = part_of(w.d_c + at + j, part) + d * o * (1.0f - c * c);
        put_part(dg + j, dc * u * i * (1.0f - i), part);
        put_part(dg + H + j, dc * part_of(c_prev + at + j, part) * f * (1.0f - f), part);
        put_part(dg + 2 * H + j, dc * i * (1.0f - u * u), part);
        put_part(dg + 3 * H + j, d * c * o * (1.0f - o), part);
        put_part(w.d_c + at + j, dc * f, part);
      } else {
        const vf reset = part_of(gates + j, part), z = part_of(gates + H + j, part), fresh = part_of(gates + 2 * H + j, part);
        const vf hidden = part_of(tail + j, part), before = part_of(h_prev + at + j, part);
        const vf d_fresh = d * (1.0f - z) * (1.0f - fresh * fresh);
        const vf d_reset = d_fresh * hidden * reset * (1.0f - reset), d_z = d * (before - fresh) * z * (1.0f - z);
        put_part(dg + j, d_reset, part);
        put_part(dg + H + j, d_z, part);
        put_part(dg + 2 * H + j, d_fresh, part);
        put_part(dh + j, d_reset, part);
        put_part(dh + H + j, d_z, part);
        put_part(dh + 2 * H + j, d_fresh * reset, part);
        put_part(w.keep + at + j, d * z, part);
      }
    }
  }
}

void sum_rows(const float* x, int64_t rows, int64_t columns, float* to) { reduce_columns(kSum, x, to, 1, rows, columns); }

}  // namespace

void recurrent_grad(const RecurrentGrad& g) {
  const Recurrent& r = g.forward;
  const int64_t T = r.T, B = r.B, H = r.H, G = gate_count(r.cell) * H;
  if (B * H == 0) return;
  const bool gru = r.cell == kCellGru;
  const int64_t step_floats = (B * H + W) / W * W;
  float* room = scratch(kExtra, (gru ? 2 : 1) * T * B * G + 3 * step_floats);
  Walkback w;
  w.gates = room;
  w.hidden = gru ? room + T * B * G : room;
  w.d_h = room + (gru ? 2 : 1) * T * B * G;
  w.d_c = w.d_h + step_floats;
  w.keep = w.d_c + step_floats;
  const auto start = [&](float* to, const float* from) {
    if (from) std::memcpy(to, from, B * H * sizeof(float));
    else std::memset(to, 0, B * H * sizeof(float));
  };
  start(w.d_h, g.d_h);
  start(w.d_c, g.d_c);
  Panels weights;
  weights.pack(scratch(kRows, Panels::floats(B, G, H) + W), B, r.w_hh, 1, H, G, H);

  const auto index = [&](int64_t s) { return r.reverse ? T - 1 - s : s; };  // the step that came s-th
  // d_h of the step before: hidden gradients of step t times w_hh, for one slice of units.
  const auto carry = [&](Rows rows, int64_t p, int64_t t, int64_t j, int64_t n) {
    const int64_t from = rows.from;
    weights.multiply(p, rows.count, w.hidden + (t * B + from) * G, G, w.d_h + from * H + j, H, n, false);
    if (gru)
      for (int64_t b = from; b < from + rows.count; b++)
        for (int64_t i = j; i < j + n; i++) w.d_h[b * H + i] += w.keep[b * H + i];
  };
  over_samples(B, B * G * H, T, [&](Rows rows) {
    for (int64_t s = T - 1; s >= 0; s--) {
      const int64_t t = index(s);
      const float* h_prev = s == 0 ? r.h0 : r.out + index(s - 1) * B * H;
      const float* c_prev = s == 0 ? r.c0 : r.cell == kCellLstm ? reserve_tail(r) + index(s - 1) * B * H : nullptr;
      step_panels(weights.count, B * G * H, rows.count == B, [&](int64_t p) {
        const int64_t j = p * weights.width, n = H - j < weights.width ? H - j : weights.width;
        if (s < T - 1) carry(rows, p, index(s + 1), j, n);
        step_back(g, w, rows, t, j, n, h_prev, c_prev);
      });
    }
    if (T == 0) return;
    step_panels(weights.count, B * G * H, rows.count == B, [&](int64_t p) {
      const int64_t j = p * weights.width;
      carry(rows, p, index(0), j, H - j < weights.width ? H - j : weights.width);
    });
  });
  if (g.d_h0) std::memcpy(g.d_h0, w.d_h, B * H * sizeof(float));
  if (g.d_c0) std::memcpy(g.d_c0, w.d_c, B * H * sizeof(float));

  if (g.d_x && T > 0) gemm({T * B, r.I, G, w.gates, G, 1, r.w_ih, r.I, 1, g.d_x, r.I});
  if (g.d_w_ih) gemm({G, r.I, T * B, w.gates, 1, G, r.x, r.I, 1, g.d_w_ih, r.I});
  if (g.d_w_hh) {
    // What each step read: h0, and the outputs of all steps but the one that came last.
    float* before = scratch(kRows, T * B * H + W);
    for (int64_t s = 0; s < T; s++) {
      const float* read = s == 0 ? r.h0 : r.out + index(s - 1) * B * H;
      std::memcpy(before + index(s) * B * H, read, B * H * sizeof(float));
    }
    if (T > 0) gemm({G, H, T * B, w.hidden, 1, G, before, H, 1, g.d_w_hh, H});
    else std::memset(g.d_w_hh, 0, G * H * sizeof(float));
  }
  if (g.d_b_ih) sum_rows(w.gates, T * B, G, g.d_b_ih);
  if (g.d_b_hh) sum_rows(w.hidden, T * B, G, g.d_b_hh);
}

}  // namespace FILATURE_ISA
}  // namespace filature
