// The ways a dense product is computed, by its shape and by how its operands lie.
#pragma once
#include "../pool.h"
#include "activation.h"
#include "bf16.h"
#include "gemm.h"
#include "micro.h"

namespace filature {
namespace FILATURE_ISA {

// Any product: both operands are packed for the caches.
void gemm_packed(const Gemm& g);

// Few rows, B row-major: B is read once where it lies.
void gemm_strided(const Gemm& g);

// A few rows, A row-major and B column-major: dot products.
void gemm_dotted(const Gemm& g);
void dot_rows(const Gemm& g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);  // a part of C, one thread

// Rows enough to multiply, too few to pay for packing a column-major B (a weight (out, in)): it is read where it lies.
bool in_place_pays(const Gemm& g);
void gemm_in_place(const Gemm& g);

constexpr int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Where sums go: C, or the copy from before the activation.
FILATURE_INLINE float* sums(const Gemm& g, int64_t i, int64_t j) { return (g.z ? g.z : g.c) + i * g.ldc + j; }

// Finished sums of C: the activation, and the copy from before it.
inline void finish(const Gemm& g, int64_t i, int64_t j, int64_t rows, int64_t width) {
  if (g.activation == kNone && !g.z) return;
  activate_rows(g.activation, sums(g, i, j), g.c + i * g.ldc + j, g.ldc, rows, width);
}

// A packed panel as the product wants it: rounded, in pairs, or as it is.
inline void in_bf16(const Gemm& g, bool pairs, float* panel, int64_t P, int64_t K) {
  if (pairs) pair_bf16(panel, P, K);
  else if (g.bf16) round_bf16(panel, P * K);
}

// Runs body(0 .. tasks - 1), on the pool where the product is worth it.
template <typename F>
FILATURE_INLINE void tasks_of(bool threaded, int64_t tasks, const F& body) {
  if (threaded && tasks > 1) parallel_for(tasks, body);
  else for (int64_t t = 0; t < tasks; t++) body(t);
}

}  // namespace FILATURE_ISA
}  // namespace filature
