// Elementwise activations over rows, forward and gradient; the exact error function; SwiGLU.
#include "activation.h"

#define EACH_KIND(DO) \
  switch (kind) {     \
    case RELU: DO(RELU); break;             \
    case GELU: DO(GELU); break;             \
    case GELU_TANH: DO(GELU_TANH); break;   \
    case SILU: DO(SILU); break;             \
    case TANH: DO(TANH); break;             \
    case SIGMOID: DO(SIGMOID); break;       \
    case QUICK_GELU: DO(QUICK_GELU); break; \
    default: DO(NONE);                      \
  }

void activate_row(const float *x, float *z, float *y, const float *bias, int kind, int n) {
#define FORWARD(K)                                                          \
  {                                                                         \
    int i = 0;                                                              \
    for (; i + 4 <= n; i += 4) {                                            \
      vf v = bias ? vadd(vload(x + i), vload(bias + i)) : vload(x + i);     \
      if (z) vstore(z + i, v);                                              \
      vstore(y + i, activate(v, K));                                        \
    }                                                                       \
    if (i < n) {                                                            \
      vf v = vload_part(x + i, n - i, 0);                                   \
      if (bias) v = vadd(v, vload_part(bias + i, n - i, 0));                \
      if (z) vstore_part(z + i, v, n - i);                                  \
      vstore_part(y + i, activate(v, K), n - i);                            \
    }                                                                       \
  }
  EACH_KIND(FORWARD)
}

void slope_row(const float *x, const float *dy, float *dx, int kind, int n) {
#define BACKWARD(K)                                                                             \
  {                                                                                             \
    int i = 0;                                                                                  \
    for (; i + 4 <= n; i += 4) vstore(dx + i, vmul(vload(dy + i), slope(vload(x + i), K)));     \
    if (i < n) {                                                                                \
      vf d = vmul(vload_part(dy + i, n - i, 0), slope(vload_part(x + i, n - i, 0), K));         \
      vstore_part(dx + i, d, n - i);                                                            \
    }                                                                                           \
  }
  EACH_KIND(BACKWARD)
}

// a long array dealt out in chunks
#define CHUNK 4096
typedef struct {
  const float *a, *b, *c;
  float *y, *z;
  int kind, n;
} Array;

static void run(Context *ctx, Task task, Array *array, double cost) {
  int chunks = (array->n + CHUNK - 1) / CHUNK;
  if (array->n * cost < 60000) {
    for (int i = 0; i < chunks; i++) task(array, i, 0);
  } else {
    fork_join(ctx, task, array, chunks);
  }
}

#define MINE                       \
  const Array *s = args;           \
  int64_t at = (int64_t)task * CHUNK; \
  int n = imin(CHUNK, s->n - (int)at);

static void forward_chunk(const void *args, int task, float *scratch) {
  MINE activate_row(s->a + at, 0, s->y + at, 0, s->kind, n);
}

static void gradient_chunk(const void *args, int task, float *scratch) {
  MINE slope_row(s->a + at, s->b + at, s->y + at, s->kind, n);
}

void EXPORT(activation_forward)(Context *ctx, const float *x, float *y, int kind, int n) {
  Array s = {.a = x, .y = y, .kind = kind, .n = n};
  run(ctx, forward_chunk, &s, 2);
}

void EXPORT(activation_gradient)(Context *ctx, const float *x, const float *dy, float *dx, int kind, int n) {
  Array s = {.a = x, .b = dy, .y = dx, .kind = kind, .n = n};
  run(ctx, gradient_chunk, &s, 2.5);
}

// functions of one float, by the code that the host gives
enum { F_ERF, F_EXP, F_TANH, F_SIGMOID, F_LOG, F_SQRT };

static void unary_chunk(const void *args, int task, float *scratch) {
  MINE
  const float *x = s->a + at;
  float *y = s->y + at;
#define ALL(f)                                                  \
  {                                                             \
    int i = 0;                                                  \
    for (; i + 4 <= n; i += 4) vstore(y + i, f(vload(x + i)));  \
    if (i < n) vstore_part(y + i, f(vload_part(x + i, n - i, 0)), n - i); \
  }
  if (s->kind == F_ERF) ALL(verf)
  else if (s->kind == F_EXP) ALL(vexp)
  else if (s->kind == F_TANH) ALL(vtanh)
  else if (s->kind == F_SIGMOID) ALL(vsigmoid)
  else if (s->kind == F_LOG) ALL(vlog)
  else ALL(wasm_f32x4_sqrt)
}

void EXPORT(unary)(Context *ctx, const float *x, float *y, int kind, int n) {
  Array s = {.a = x, .y = y, .kind = kind, .n = n};
  run(ctx, unary_chunk, &s, 2);
}

INLINE vf silu(vf g) { return vmul(g, vsigmoid(g)); }

static void swiglu_chunk(const void *args, int task, float *scratch) {
  MINE
  const float *g = s->a + at, *u = s->b + at;
  float *y = s->y + at;
  int i = 0;
  for (; i + 4 <= n; i += 4) vstore(y + i, vmul(silu(vload(g + i)), vload(u + i)));
  if (i < n) vstore_part(y + i, vmul(silu(vload_part(g + i, n - i, 0)), vload_part(u + i, n - i, 0)), n - i);
}

static void swiglu_gradient_chunk(const void *args, int task, float *scratch) {
  MINE
  const float *g = s->a + at, *u = s->b + at, *dy = s->c + at;
  float *dg = s->y ? s->y + at : 0, *du = s->z ? s->z + at : 0;
  for (int i = 0; i < n; i += 4) {
    int left = imin(4, n - i);
    vf x = left == 4 ? vload(g + i) : vload_part(g + i, left, 0);
    vf d = left == 4 ? vload(dy + i) : vload_part(dy + i, left, 0);
    vf w = left == 4 ? vload(u + i) : vload_part(u + i, left, 0);
    vf p = vmul(vmul(d, w), slope(x, SILU)), q = vmul(d, silu(x));
    if (left == 4) {
      if (dg) vstore(dg + i, p);
      if (du) vstore(du + i, q);
    } else {
      if (dg) vstore_part(dg + i, p, left);
      if (du) vstore_part(du + i, q, left);
    }
  }
}

/** y = silu(gate) up */
void EXPORT(swiglu)(Context *ctx, const float *gate, const float *up, float *y, int n) {
  Array s = {.a = gate, .b = up, .y = y, .n = n};
  run(ctx, swiglu_chunk, &s, 2);
}

/** Either gradient may be null. */
void EXPORT(swiglu_gradient)(Context *ctx, const float *gate, const float *up, const float *dy, float *d_gate,
                             float *d_up, int n) {
  Array s = {.a = gate, .b = up, .c = dy, .y = d_gate, .z = d_up, .n = n};
  run(ctx, swiglu_gradient_chunk, &s, 3);
}

float log_of(float x) {
  // x = m 2^e with m in [sqrt(1/2), sqrt 2); log m = 2 atanh(s), s = (m - 1) / (m + 1)
  union { float f; int32_t i; } bits = {x};
  if (!(x > 0) || bits.i >= 0x7f800000) return x == 0 ? -__builtin_inff() : x > 0 ? x : __builtin_nanf("");
  int e = 0;
  if (bits.i < 0x00800000) bits.f *= 8388608.0f, e = -23;
  e += (bits.i - 0x3f3504f3) >> 23;
  bits.i -= (int32_t)((uint32_t)((bits.i - 0x3f3504f3) >> 23) << 23);
  double m = bits.f, s = (m - 1) / (m + 1), u = s * s;
  double series = 1 + u * (1.0 / 3 + u * (1.0 / 5 + u * (1.0 / 7 + u * (1.0 / 9 + u / 11))));
  return (float)(2 * s * series + e * 0.6931471805599453);
}
