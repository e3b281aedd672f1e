// Dense products: which way one is computed.
#include "gemm_paths.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

constexpr MicroTable micro_table() {
  MicroTable t = {};
  each_size<MR, NV>([&t]<int M_, int N_>() {
    t.packed[M_][N_] = micro_packed<M_, N_>;
    t.strided[M_][N_] = micro_strided<M_, N_>;
  });
  each_size<kThinRows, kThinVectors>([&t]<int M_, int N_>() { t.thin[M_][N_] = micro_strided<M_, N_>; });
  return t;
}

constexpr int64_t kFloatRows = 16;  // up to these many rows a product stays in float32

}  // namespace

const MicroTable kMicro = micro_table();

void gemm(const Gemm& wanted) {
  Gemm g = wanted;
  if (g.M == 0 || g.N == 0) return;
  g.bf16 = g.bf16 && g.M > kFloatRows;  // on every instruction set alike
  const bool b_rows = g.b_col == 1 || g.N == 1, b_columns = g.b_row == 1 && g.a_col == 1;
  if (b_rows && (g.M <= MR || (g.M * g.N * g.K <= 1 << 13 && !g.bf16) || g.K == 0)) return gemm_strided(g);
  if (b_columns && g.M <= 4) return gemm_dotted(g);
  if (g.K == 0) {
    Gemm empty = g;
    empty.b_col = 1;
    return gemm_strided(empty);
  }
  if (in_place_pays(g)) return gemm_in_place(g);
  gemm_packed(g);
}

void gemm_batched(const Gemm& first, int64_t batches, const int64_t* a_offset, const int64_t* b_offset) {
  const auto one = [&](int64_t i) {
    Gemm g = first;
    g.a += a_offset[i];
    g.b += b_offset[i];
    g.c += i * g.M * g.ldc;
    gemm(g);
  };
  tasks_of(batches >= thread_limit() && batches * first.M * first.N * first.K > 1 << 17, batches, one);
}

void activate_rows(Activation a, const float* x, float* y, int64_t step, int64_t rows, int64_t n) {
  with_activation(a, [&]<Activation A>() {
    for (int64_t r = 0; r < rows; r++) map(x + r * step, y + r * step, n, [](vf v) { return activate<A>(v); });
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
