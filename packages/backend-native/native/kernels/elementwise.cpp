// One number at a time: unary and binary operators with broadcasting, activations.
#include "../pool.h"
#include "activation.h"
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr int64_t kGrain = 1 << 15;  // floats for which a second thread pays

// body(first, count) over n, in parts.
template <typename F>
void ranges(int64_t n, const F& body) {
  if (n <= kGrain) return body(int64_t{0}, n);
  const int64_t parts = (n + kGrain - 1) / kGrain;
  parallel_for(parts, [&](int64_t p) { body(p * kGrain, p + 1 < parts ? kGrain : n - p * kGrain); });
}

template <typename F>
void mapped(const float* x, float* y, int64_t n, const F& f) {
  ranges(n, [&](int64_t i, int64_t count) { map(x + i, y + i, count, f); });
}
template <typename F>
void scalar_mapped(const float* x, float* y, int64_t n, const F& f) {
  ranges(n, [&](int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; i++) y[i] = f(x[i]);
  });
}

template <Binary Op, typename V>
FILATURE_INLINE V apply(V a, V b) {
  if constexpr (Op == kAdd) return a + b;
  else if constexpr (Op == kSub) return a - b;
  else if constexpr (Op == kMul) return a * b;
  else if constexpr (Op == kDiv) return a / b;
  else if constexpr (Op == kSquaredDifference) return (a - b) * (a - b);
  else if constexpr (Op == kMaximum) return a != a ? a : (b != b ? b : (a > b ? a : b));
  else return a != a ? a : (b != b ? b : (a < b ? a : b));
}

// y[i] = a[i * sa] op b[i * sb], steps 0 or 1 (others by the slow way).
template <Binary Op>
void run(const float* a, int64_t sa, const float* b, int64_t sb, float* y, int64_t n) {
  int64_t i = 0;
  if (sa == 1 && sb == 1) {
    for (; i + W <= n; i += W) store(y + i, apply<Op>(load(a + i), load(b + i)));
  } else if (sa == 1 && sb == 0) {
    const vf c = splat(*b);
    for (; i + W <= n; i += W) store(y + i, apply<Op>(load(a + i), c));
  } else if (sa == 0 && sb == 1) {
    const vf c = splat(*a);
    for (; i + W <= n; i += W) store(y + i, apply<Op>(c, load(b + i)));
  }
  for (; i < n; i++) y[i] = apply<Op>(a[i * sa], b[i * sb]);
}

template <Binary Op>
void walk_binary(const Walk& w, const float* a, const float* b, float* y) {
  const int inner = w.rank - 1;
  const int64_t n = w.size[inner];
  int64_t outer = 1;
  for (int d = 0; d < inner; d++) outer *= w.size[d];
  const auto row = [&](int64_t r, int64_t first, int64_t count) {
    int64_t ia = first * w.a[inner], ib = first * w.b[inner], rest = r;
    for (int d = inner - 1; d >= 0; d--) {
      const int64_t k = rest % w.size[d];
      rest /= w.size[d];
      ia += k * w.a[d];
      ib += k * w.b[d];
    }
    run<Op>(a + ia, w.a[inner], b + ib, w.b[inner], y + r * n + first, count);
  };
  if (outer == 1) return ranges(n, [&](int64_t first, int64_t count) { row(0, first, count); });
  const int64_t rows = n >= kGrain ? 1 : kGrain / (n > 0 ? n : 1), parts = (outer + rows - 1) / rows;
  const auto part = [&](int64_t p) {
    const int64_t end = (p + 1) * rows < outer ? (p + 1) * rows : outer;
    for (int64_t r = p * rows; r < end; r++) row(r, 0, n);
  };
  if (parts > 1) parallel_for(parts, part);
  else part(0);
}

}  // namespace

void unary(Unary op, const float* x, float* y, int64_t n) {
  switch (op) {
    case kNegate: return mapped(x, y, n, [](vf v) { return -v; });
    case kAbs: return mapped(x, y, n, [](vf v) { return abs(v); });
    case kSquare: return mapped(x, y, n, [](vf v) { return v * v; });
    case kSqrt: return scalar_mapped(x, y, n, [](float v) { return __builtin_sqrtf(v); });
    case kRsqrt: return scalar_mapped(x, y, n, [](float v) { return 1.0f / __builtin_sqrtf(v); });
    case kReciprocal: return mapped(x, y, n, [](vf v) { return 1.0f / v; });
    case kExp: return mapped(x, y, n, [](vf v) { return exp(v); });
    case kErf: return mapped(x, y, n, [](vf v) { return erf(v); });
    case kLog: return scalar_mapped(x, y, n, [](float v) { return std::log(v); });
    case kStep: return scalar_mapped(x, y, n, [](float v) { return v != v ? v : v > 0 ? 1.0f : 0.0f; });
    case kSign: return scalar_mapped(x, y, n, [](float v) { return v != v ? 0.0f : v > 0 ? 1.0f : v < 0 ? -1.0f : 0.0f; });
    case kFloor: return scalar_mapped(x, y, n, [](float v) { return std::floor(v); });
    case kCeil: return scalar_mapped(x, y, n, [](float v) { return std::ceil(v); });
    case kSin: return scalar_mapped(x, y, n, [](float v) { return std::sin(v); });
    case kCos: return scalar_mapped(x, y, n, [](float v) { return std::cos(v); });
    case kExpm1: return scalar_mapped(x, y, n, [](float v) { return std::expm1(v); });
    case kLog1p: return scalar_mapped(x, y, n, [](float v) { return std::log1p(v); });
    case kSoftplus: return scalar_mapped(x, y, n, [](float v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); });
    default: return;
  }
}

void binary(Binary op, const Walk& w, const float* a, const float* b, float* y) {
  switch (op) {
    case kAdd: return walk_binary<kAdd>(w, a, b, y);
    case kSub: return walk_binary<kSub>(w, a, b, y);
    case kMul: return walk_binary<kMul>(w, a, b, y);
    case kDiv: return walk_binary<kDiv>(w, a, b, y);
    case kMaximum: return walk_binary<kMaximum>(w, a, b, y);
    case kMinimum: return walk_binary<kMinimum>(w, a, b, y);
    case kSquaredDifference: return walk_binary<kSquaredDifference>(w, a, b, y);
    default: return;
  }
}

void scale_add(const float* x, float scale, float shift, float* y, int64_t n) {
  mapped(x, y, n, [=](vf v) { return v * scale + shift; });
}

// mask of n entries, each choosing inner numbers
void select_rows(const uint8_t* mask, const float* a, const float* b, float* y, int64_t n, int64_t inner) {
  ranges(n * inner, [&](int64_t first, int64_t count) {
    if (inner == 1) {
      for (int64_t i = first; i < first + count; i++) y[i] = mask[i] ? a[i] : b[i];
    } else {
      for (int64_t i = first; i < first + count; i++) y[i] = mask[i / inner] ? a[i] : b[i];
    }
  });
}

void activation(Activation kind, const float* x, float* y, int64_t n) {
  ranges(n, [&](int64_t i, int64_t count) { activate_rows(kind, x + i, y + i, count, 1, count); });
}

// dx = dy * activate'(x) (rows, columns), d_bias = its sum over rows. Without d_bias rows and columns are one.
void activation_grad(Activation kind, const float* x, const float* dy, float* dx, float* d_bias, int64_t rows, int64_t columns) {
  with_activation(kind, [&]<Activation A>() {
    const auto one = [](vf v, vf d) { return A == kNone ? d : d * derivative<A>(v); };
    if (!d_bias) {
      return ranges(rows * columns, [&](int64_t i, int64_t n) { map(x + i, dy + i, dx + i, n, one); });
    }
    summed_parts(rows, columns, columns, d_bias, [&](int64_t r, int64_t end, float* sums) {
      for (; r < end; r++) {
        const float *from = x + r * columns, *d = dy + r * columns;
        float* to = dx + r * columns;
        along(columns, [&](int64_t c, int part) {
          const vf v = one(at(from, c, part), at(d, c, part));
          put(to, c, v, part);
          put(sums, c, at(sums, c, part) + v, part);
        });
      }
    });
  });
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  ranges(n, [&](int64_t i, int64_t count) {
    map(gate + i, up + i, y + i, count, [](vf g, vf u) { return g * sigmoid(g) * u; });
  });
}

void swiglu_grad(const float* gate, const float* up, const float* dy, float* d_gate, float* d_up, int64_t n) {
  ranges(n, [&](int64_t first, int64_t count) {
    const auto at = [&](int64_t i, int part) {
      const bool whole = part == W;
      const vf g = whole ? load(gate + i) : load_part(gate + i, part), u = whole ? load(up + i) : load_part(up + i, part);
      const vf d = whole ? load(dy + i) : load_part(dy + i, part), s = sigmoid(g);
      const vf dg = d * u * s * (1.0f + g * (1.0f - s)), du = d * g * s;
      if (d_gate) whole ? store(d_gate + i, dg) : store_part(d_gate + i, dg, part);
      if (d_up) whole ? store(d_up + i, du) : store_part(d_up + i, du, part);
    };
    int64_t i = first;
    for (; i + W <= first + count; i += W) at(i, W);
    if (i < first + count) at(i, static_cast<int>(first + count - i));
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
