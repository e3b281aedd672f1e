// Recurrent layers over a whole sequence.
#include "call.h"

namespace filature {
namespace {

// cell, reverse, T, B, I, H, x, h0, c0?, wIh, wHh, bIh?, bHh?, out, h, c?, reserve
bool read(Call& c, Recurrent& r, bool backward) {
  r = {};
  r.cell = static_cast<Cell>(c.size("cell", kCellGru));
  r.reverse = c.flag("reverse");
  r.T = c.size("T");
  r.B = c.size("B");
  r.I = c.size("I");
  r.H = c.size("H");
  const int64_t n = r.cell == kCellLstm ? 4 : r.cell == kCellGru ? 3 : 1;
  const bool lstm = r.cell == kCellLstm;
  r.x = c.floats("x", count_of(r.T, r.B, r.I));
  r.h0 = c.floats("h0", count_of(r.B, r.H));
  r.c0 = c.maybe_floats("c0", count_of(r.B, r.H));
  r.w_ih = c.floats("wIh", count_of(n, r.H, r.I));
  r.w_hh = c.floats("wHh", count_of(n, r.H, r.H));
  r.b_ih = c.maybe_floats("bIh", count_of(n, r.H));
  r.b_hh = c.maybe_floats("bHh", count_of(n, r.H));
  r.out = c.floats("out", count_of(r.T, r.B, r.H));
  if (!backward) {
    r.h = c.floats("h", count_of(r.B, r.H));
    r.c = c.maybe_floats("c", count_of(r.B, r.H));
    if (c.ok() && lstm && !r.c) c.fail("c", "given to an LSTM");
  }
  r.reserve = c.floats("reserve", count_of(r.T, r.B, lstm ? 5 : r.cell == kCellGru ? 4 : 0, r.H));
  if (c.ok() && lstm && !r.c0) c.fail("c0", "given to an LSTM");
  return c.ok();
}

napi_value js_recurrent(napi_env env, napi_callback_info info) {
  Call c(env, info, "recurrent");
  Recurrent r;
  if (read(c, r, false)) kernels().recurrent(r);
  return nullptr;
}

// ..., dOut?, dH?, dC?, dX?, dH0?, dC0?, dWIh?, dWHh?, dBIh?, dBHh?
napi_value js_recurrent_grad(napi_env env, napi_callback_info info) {
  Call c(env, info, "recurrentGrad");
  RecurrentGrad g = {};
  if (!read(c, g.forward, true)) return nullptr;
  const Recurrent& r = g.forward;
  const int64_t n = r.cell == kCellLstm ? 4 : r.cell == kCellGru ? 3 : 1;
  g.d_out = c.maybe_floats("dOut", count_of(r.T, r.B, r.H));
  g.d_h = c.maybe_floats("dH", count_of(r.B, r.H));
  g.d_c = c.maybe_floats("dC", count_of(r.B, r.H));
  g.d_x = c.maybe_floats("dX", count_of(r.T, r.B, r.I));
  g.d_h0 = c.maybe_floats("dH0", count_of(r.B, r.H));
  g.d_c0 = c.maybe_floats("dC0", count_of(r.B, r.H));
  g.d_w_ih = c.maybe_floats("dWIh", count_of(n, r.H, r.I));
  g.d_w_hh = c.maybe_floats("dWHh", count_of(n, r.H, r.H));
  g.d_b_ih = c.maybe_floats("dBIh", count_of(n, r.H));
  g.d_b_hh = c.maybe_floats("dBHh", count_of(n, r.H));
  if (c.ok()) kernels().recurrent_grad(g);
  return nullptr;
}

}  // namespace

void register_recurrent(napi_env env, napi_value exports) {
  const Export all[] = {{"recurrent", js_recurrent}, {"recurrentGrad", js_recurrent_grad}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
