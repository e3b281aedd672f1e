// Dense products: C (M, N) = op(A) (M, K) op(B) (K, N), with what follows a product fused behind it.
#pragma once
#include "base.h"

// Register tile. Engines load all of a round's operands before they multiply, so that sums and operands together must fit
// 15 registers. Sums of fused multiply-adds come after four cycles: ten of them keep two multipliers busy, eight do not.
#ifdef RELAXED
#define MR 5
#else
#define MR 4
#endif
#define NR 8
// depth, rows and columns of the blocks that live in cache
#define KC 256
#define MC (24 * MR)
#define NC 512
/** Floats of scratch that gemm_block needs. */
#define GEMM_SCRATCH (KC * (MC + MR) + KC * (NC + NR) + 64)

/** What follows the product: bias, activation, and where the value before the activation is kept. */
typedef struct {
  const float *bias;  // (N) or null
  int activation;     // as in activation.h
  float *z;           // (M, N), same stride as C, or null
} After;

typedef struct {
  const float *a, *b;
  float *c;
  int m, n, k;
  int lda, ldb, ldc;
  int ta, tb;      // operand stored transposed: A (K, M), B (N, K)
  int accumulate;  // add to C
  After after;
  // A band: beside row r only entries r + low to r + high are wanted (of C), or are not zero (of op(A)). What lies outside
  // may be computed or not.
  int band, low, high;
} Gemm;

enum { NO_BAND, BAND_OF_C, BAND_OF_A };

/** One product on the calling thread. */
void gemm_block(const Gemm *g, float *scratch);

/** A batch of products, spread over all threads; strides in floats, 0 for a shared operand. */
void gemm_batch(Context *ctx, const Gemm *g, int batch, int64_t sa, int64_t sb, int64_t sc);
