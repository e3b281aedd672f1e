// Dense products: C = A B (+ C) (+ bias, activation).
#pragma once
#include <cstdint>

namespace filature {

enum Activation { kNone, kRelu, kGelu, kGeluTanh, kSilu, kTanh, kSigmoid, kQuickGelu, kActivations };

// C (M, N) row-major with ldc; A and B by strides, so that any transposition is a choice of strides.
struct Gemm {
  int64_t M, N, K;
  const float* a;
  int64_t a_row, a_col;
  const float* b;
  int64_t b_row, b_col;
  float* c;
  int64_t ldc;
  bool accumulate = false;
  const float* bias = nullptr;        // (N)
  Activation activation = kNone;
  float* z = nullptr;                 // before the activation, ldc as C
  bool bf16 = false;                  // operands rounded to bfloat16 where M > 16
};

}  // namespace filature
