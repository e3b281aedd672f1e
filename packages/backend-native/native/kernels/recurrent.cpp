// RNN, LSTM (Hochreiter and Schmidhuber, 1997) and GRU (Cho et al., 2014) over a whole sequence, as PyTorch defines them.
#include "recurrent.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

// The numbers of one step and one slice of units, from gates that hold all products and biases.
void step(const Recurrent& r, Rows rows, int64_t t, int64_t j0, int64_t n, const float* h_prev, const float* c_prev) {
  const int64_t H = r.H, G = gate_count(r.cell) * H;
  for (int64_t b = rows.from; b < rows.from + rows.count; b++) {
    const int64_t row = t * r.B + b;
    float* out = r.out + row * H + j0;
    float* gates = r.reserve + row * G + j0;
    for (int64_t j = 0; j < n; j += W) {
      const int64_t part = n - j < W ? n - j : W;
      if (r.cell == kCellTanh) put_part(out + j, tanh(part_of(out + j, part)), part);
      else if (r.cell == kCellRelu) {
        const vf v = part_of(out + j, part);
        put_part(out + j, select(v != v, v, max(v, vf{})), part);
      } else if (r.cell == kCellLstm) {
        const vf i = sigmoid(part_of(gates + j, part)), f = sigmoid(part_of(gates + H + j, part));
        const vf g = tanh(part_of(gates + 2 * H + j, part)), o = sigmoid(part_of(gates + 3 * H + j, part));
        const vf c = f * part_of(c_prev + b * H + j0 + j, part) + i * g;
        put_part(gates + j, i, part);
        put_part(gates + H + j, f, part);
        put_part(gates + 2 * H + j, g, part);
        put_part(gates + 3 * H + j, o, part);
        put_part(reserve_tail(r) + row * H + j0 + j, c, part);
        put_part(out + j, o * tanh(c), part);
      } else {
        const vf reset = sigmoid(part_of(gates + j, part)), z = sigmoid(part_of(gates + H + j, part));
        const vf hidden = part_of(reserve_tail(r) + row * H + j0 + j, part);
        const vf fresh = tanh(part_of(gates + 2 * H + j, part) + reset * hidden);
        put_part(gates + j, reset, part);
        put_part(gates + H + j, z, part);
        put_part(gates + 2 * H + j, fresh, part);
        put_part(out + j, fresh + z * (part_of(h_prev + b * H + j0 + j, part) - fresh), part);
      }
    }
  }
}

}  // namespace

int64_t recurrent_reserve(Cell cell, int64_t T, int64_t B, int64_t H) {
  return cell == kCellLstm ? T * B * 5 * H : cell == kCellGru ? T * B * 4 * H : 0;
}

void recurrent(const Recurrent& r) {
  const int64_t H = r.H, B = r.B, gates = gate_count(r.cell), G = gates * H;
  if (B * H == 0) return;
  // All products with x at once. A GRU keeps the recurrent bias of n apart: it lies inside the reset.
  float* products = gates == 1 ? r.out : r.reserve;
  const int64_t joined = r.cell == kCellGru ? 2 * H : G;
  float* bias = scratch(kExtra, 2 * G);
  for (int64_t j = 0; j < G; j++) bias[j] = (r.b_ih ? r.b_ih[j] : 0.0f) + (r.b_hh && j < joined ? r.b_hh[j] : 0.0f);
  if (r.T * B > 0) gemm({r.T * B, G, r.I, r.x, r.I, 1, r.w_ih, 1, r.I, products, G, false, bias});

  // w_hh transposed, gate by gate, so that a slice of units has all its gates.
  const int64_t each = Panels::floats(B, H, H);
  float* packed = scratch(kRows, gates * each + W);
  Panels weights[4];
  for (int64_t q = 0; q < gates; q++) weights[q].pack(packed + q * each, B, r.w_hh + q * H * H, H, 1, H, H);

  over_samples(B, B * G * H, r.T, [&](Rows rows) {
    const int64_t from = rows.from, count = rows.count;
    for (int64_t s = 0; s < r.T; s++) {
      const int64_t t = r.reverse ? r.T - 1 - s : s, before = r.reverse ? t + 1 : t - 1;
      const float* h_prev = s == 0 ? r.h0 : r.out + before * B * H;
      const float* c_prev = s == 0 ? r.c0 : reserve_tail(r) + before * B * H;
      step_panels(weights[0].count, B * G * H, count == B, [&](int64_t p) {
        const int64_t j = p * weights[0].width, n = H - j < weights[0].width ? H - j : weights[0].width;
        for (int64_t q = 0; q < gates; q++) {
          if (r.cell == kCellGru && q == 2) {
            float* hidden = reserve_tail(r) + (t * B + from) * H + j;
            for (int64_t b = 0; b < count; b++)
              for (int64_t i = 0; i < n; i++) hidden[b * H + i] = r.b_hh ? r.b_hh[2 * H + j + i] : 0.0f;
            weights[q].multiply(p, count, h_prev + from * H, H, hidden, H, n, true);
          } else {
            weights[q].multiply(p, count, h_prev + from * H, H, products + (t * B + from) * G + q * H + j, G, n, true);
          }
        }
        step(r, rows, t, j, n, h_prev, c_prev);
      });
    }
  });
  const int64_t last = r.reverse ? 0 : r.T - 1;
  std::memcpy(r.h, r.T ? r.out + last * B * H : r.h0, B * H * sizeof(float));
  if (r.cell == kCellLstm) std::memcpy(r.c, r.T ? reserve_tail(r) + last * B * H : r.c0, B * H * sizeof(float));
}

}  // namespace FILATURE_ISA
}  // namespace filature
