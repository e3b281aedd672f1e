// Every kernel, declared in the namespace of an instruction set, and the table through which the chosen one is called.
// All arrays are row-major and contiguous; sizes have been checked by the caller.
#pragma once
#include <cstddef>
#include <cstdint>

#include "blocks.h"
#include "gemm.h"

#ifndef FILATURE_ISA
#define FILATURE_ISA baseline
#endif

namespace filature {

enum Unary { kNegate, kAbs, kSquare, kSqrt, kRsqrt, kReciprocal, kExp, kLog, kErf, kStep, kSign, kFloor, kCeil, kSin, kCos,
             kExpm1, kLog1p, kSoftplus, kUnaries };
enum Binary { kAdd, kSub, kMul, kDiv, kMaximum, kMinimum, kSquaredDifference, kBinaries };
enum Reduction { kSum, kMean, kMax, kMin, kReductions };

// Up to kAxes axes, outermost first; steps in elements of each operand (0 where it is broadcast).
constexpr int kAxes = 6;
struct Walk {
  int rank;
  int64_t size[kAxes], a[kAxes], b[kAxes], out[kAxes];
};

struct Philox {
  uint32_t key[2], counter[2];
  uint32_t threshold;  // kept iff word >= threshold
  float scale;         // 1 / (1 - rate)
};

// q (B,T,H,D), k (B,S,G,D), v (B,S,G,E); bias by strides over (B,H,T,S).
struct Attention {
  int64_t B, T, S, H, G, D, E;
  const float *q, *k, *v, *bias;
  int64_t bias_step[4];
  float scale;
  int64_t left, right;    // query i sees keys i + S - T - left ... i + S - T + right
  const Philox* dropout;
  float *out, *lse;       // (B,T,H,E), (B,H,T)
};
struct AttentionGrad {
  Attention forward;      // out and lse are read
  const float* d_out;
  float *d_q, *d_k, *d_v, *d_bias;  // each may be null; d_bias (B,H,T,S)
};

enum Cell { kCellTanh, kCellRelu, kCellLstm, kCellGru };
// x (T,B,I), h0 and c0 (B,H), w_ih (nH,I), w_hh (nH,H), biases (nH); out (T,B,H).
struct Recurrent {
  Cell cell;
  bool reverse;
  int64_t T, B, I, H;
  const float *x, *h0, *c0, *w_ih, *w_hh, *b_ih, *b_hh;
  float *out, *h, *c;
  float* reserve;         // recurrent_reserve() floats
};
struct RecurrentGrad {
  Recurrent forward;      // out and reserve are read
  const float *d_out, *d_h, *d_c;
  float *d_x, *d_h0, *d_c0, *d_w_ih, *d_w_hh, *d_b_ih, *d_b_hh;  // each may be null
};

// a (B, T, A), b (B, S, A), v (A)
struct Additive {
  int64_t B, T, S, A;
  const float *a, *b, *v;
};
// What one optimizer step changes: of each parameter its size, value, gradient, and state, where the rule has that.
struct Stepped {
  int64_t count;
  const int64_t* n;
  float *const *p, *const *g, *const *state[3];
};
struct AdamW { float lr, beta1, beta2, eps, decay, correction1, correction2, grad_scale; bool coupled; };
struct Adagrad { float lr, eps, decay, grad_scale; bool eps_inside; };
struct Sgd { float lr, momentum, dampening, decay, grad_scale; bool nesterov, first; };
struct Rmsprop { float lr, alpha, eps, decay, momentum, grad_scale; bool centered; };

#define FILATURE_KERNELS(X)                                                                                              \
  X(void, gemm, (const Gemm& g))                                                                                         \
  X(void, gemm_batched, (const Gemm& first, int64_t batches, const int64_t* a_offset, const int64_t* b_offset))          \
  X(void, unpack_blocks, (BlockFormat format, const uint8_t* from, float* to, int64_t n))                                \
  X(void, block_linear, (const BlockLinear& p))                                                                          \
  X(void, block_rows, (BlockFormat format, const uint8_t* weight, const int32_t* ids, int64_t n, int64_t K, float* y))   \
  X(bool, bf16_pairs_pay, ())                                                                                            \
  X(void, bf16_pairs_choose, (int choice))                                                                               \
  X(void, unary, (Unary op, const float* x, float* y, int64_t n))                                                        \
  X(void, binary, (Binary op, const Walk& walk, const float* a, const float* b, float* y))                               \
  X(void, scale_add, (const float* x, float scale, float shift, float* y, int64_t n))                                    \
  X(void, select_rows, (const uint8_t* mask, const float* a, const float* b, float* y, int64_t n, int64_t inner))        \
  X(void, activation, (Activation kind, const float* x, float* y, int64_t n))                                            \
  X(void, activation_grad, (Activation kind, const float* x, const float* dy, float* dx, float* d_bias, int64_t rows,    \
                            int64_t columns))                                                                            \
  X(void, swiglu, (const float* gate, const float* up, float* y, int64_t n))                                             \
  X(void, swiglu_grad, (const float* gate, const float* up, const float* dy, float* d_gate, float* d_up, int64_t n))     \
  X(void, reduce_rows, (Reduction op, const float* x, float* y, int64_t rows, int64_t columns))                          \
  X(void, reduce_columns, (Reduction op, const float* x, float* y, int64_t batches, int64_t rows, int64_t columns))      \
  X(void, softmax, (const float* x, float* y, int64_t rows, int64_t columns, bool log))                                  \
  X(void, copy_walk, (const Walk& walk, const uint32_t* x, uint32_t* y))                                                 \
  X(void, fill, (uint32_t value, uint32_t* y, int64_t n))                                                                \
  X(void, layer_norm, (const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t columns, \
                       float* y, float* mean, float* rstd))                                                              \
  X(void, layer_norm_grad, (const float* x, const float* weight, const float* mean, const float* rstd, const float* dy,  \
                            int64_t rows, int64_t columns, float* dx, float* d_weight, float* d_bias))                   \
  X(void, rms_norm, (const float* x, const float* weight, float eps, int64_t rows, int64_t columns, float* y,            \
                     float* rstd))                                                                                       \
  X(void, rms_norm_grad, (const float* x, const float* weight, const float* rstd, const float* dy, int64_t rows,         \
                          int64_t columns, float* dx, float* d_weight))                                                  \
  X(void, rotary, (const float* x, const float* cos, const float* sin, int64_t B, int64_t T, int64_t H, int64_t D,       \
                   int64_t R, bool per_batch, bool interleaved, bool inverse, float* y))                                 \
  X(void, cross_entropy, (const float* logits, const int32_t* labels, int64_t rows, int64_t V, int32_t ignore,           \
                          float smoothing, float* loss, float* lse))                                                     \
  X(void, cross_entropy_grad, (const float* logits, const int32_t* labels, const float* lse, const float* d_loss,        \
                               int64_t rows, int64_t V, int32_t ignore, float smoothing, float* d_logits))               \
  X(void, gather, (const uint32_t* x, const int32_t* ids, int64_t batches, int64_t rows, int64_t n, int64_t width,       \
                   uint32_t* y))                                                                                         \
  X(void, scatter_add, (const float* x, const int32_t* ids, int64_t n, int64_t width, int64_t rows, int64_t skip,        \
                        float* y))                                                                                       \
  X(void, dropout, (const Philox& p, const float* x, float* y, int64_t n))                                               \
  X(void, philox_words, (const Philox& p, int64_t first, uint32_t* words, int64_t n))                                    \
  X(void, attention, (const Attention& a))                                                                               \
  X(void, attention_grad, (const AttentionGrad& a))                                                                      \
  X(int64_t, recurrent_reserve, (Cell cell, int64_t T, int64_t B, int64_t H))                                            \
  X(void, recurrent, (const Recurrent& r))                                                                               \
  X(void, recurrent_grad, (const RecurrentGrad& r))                                                                      \
  X(void, top_k, (const float* x, int64_t rows, int64_t columns, int64_t k, float* values, int32_t* indices))            \
  X(void, additive_scores, (const Additive& p, float* scores))                                                           \
  X(void, additive_scores_grad, (const Additive& p, const float* dy, float* d_a, float* d_b, float* d_v))                \
  X(void, adamw, (const AdamW& o, const Stepped& all))                                                                   \
  X(void, adagrad, (const Adagrad& o, const Stepped& all))                                                               \
  X(void, sgd, (const Sgd& o, const Stepped& all))                                                                       \
  X(void, rmsprop, (const Rmsprop& o, const Stepped& all))                                                               \
  X(double, sum_squares, (const float* x, int64_t n))                                                                    \
  X(double, multiply_adds, (int64_t rounds))

namespace FILATURE_ISA {
#define FILATURE_DECLARE(result, name, arguments) result name arguments;
FILATURE_KERNELS(FILATURE_DECLARE)
#undef FILATURE_DECLARE
}  // namespace FILATURE_ISA

struct Table {
  const char* isa;
  int width;  // floats in a vector
#define FILATURE_MEMBER(result, name, arguments) result(*name) arguments;
  FILATURE_KERNELS(FILATURE_MEMBER)
#undef FILATURE_MEMBER
};

const Table& kernels();                      // the chosen one
bool choose_kernels(const char* isa);        // "auto" or a name; false if this machine or build has it not
const char* available_kernels();             // names, best first, separated by spaces

}  // namespace filature
