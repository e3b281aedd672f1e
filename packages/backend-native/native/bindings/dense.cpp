// Dense products.
#include "call.h"

namespace filature {
namespace {

thread_local bool bf16_products = false;  // of the calling JavaScript thread

// bf16(on?) -> whether products round their operands to bfloat16
napi_value js_bf16(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument, result = nullptr;
  bool on = false;
  if (napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr) != napi_ok) return nullptr;
  if (argc > 0 && napi_get_value_bool(env, argument, &on) == napi_ok) bf16_products = on;
  napi_get_boolean(env, bf16_products, &result);
  return result;
}

// bf16Pairs(choice?) -> whether they are multiplied in pairs; 1 and 0 choose, -1 leaves it to a measurement
napi_value js_bf16_pairs(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument, result = nullptr;
  int32_t choice = -1;
  if (napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr) != napi_ok) return nullptr;
  if (argc > 0 && napi_get_value_int32(env, argument, &choice) == napi_ok) kernels().bf16_pairs_choose(choice);
  napi_get_boolean(env, kernels().bf16_pairs_pay(), &result);
  return result;
}

Activation activation_of(Call& c) {
  return static_cast<Activation>(c.size("activation", kActivations - 1));
}

// M, N, K, aRow, aCol, bRow, bCol
Gemm shape_of(Call& c) {
  Gemm g = {};
  g.M = c.size("M");
  g.N = c.size("N");
  g.K = c.size("K");
  g.a_row = c.step("aRow");
  g.a_col = c.step("aCol");
  g.b_row = c.step("bRow");
  g.b_col = c.step("bCol");
  g.bf16 = bf16_products;
  return g;
}

// gemm(M, N, K, aRow, aCol, bRow, bCol, ldc, accumulate, activation, a, b, c, bias?, z?)
napi_value js_gemm(napi_env env, napi_callback_info info) {
  Call c(env, info, "gemm");
  Gemm g = shape_of(c);
  g.ldc = c.step("ldc");
  g.accumulate = c.flag("accumulate");
  g.activation = activation_of(c);
  g.a = c.floats("a", extent(g.M, g.a_row, g.K, g.a_col));
  g.b = c.floats("b", extent(g.K, g.b_row, g.N, g.b_col));
  if (c.ok() && g.ldc < g.N) c.fail("ldc", "at least N");
  const int64_t out = extent(g.M, g.ldc, g.N, 1);
  g.c = c.floats("c", out);
  g.bias = c.maybe_floats("bias", g.N);
  g.z = c.maybe_floats("z", out);
  if (c.ok()) kernels().gemm(g);
  return nullptr;
}

// gemmBatched(batches, M, N, K, aRow, aCol, bRow, bCol, aOffsets, bOffsets, a, b, c)
napi_value js_gemm_batched(napi_env env, napi_callback_info info) {
  Call c(env, info, "gemmBatched");
  const int64_t batches = c.size("batches", 1 << 24);
  Gemm g = shape_of(c);
  g.ldc = g.N;
  // Offsets in entries, each within an operand whose last use ends inside the array.
  const double* ao = c.doubles("aOffsets", batches);
  const double* bo = c.doubles("bOffsets", batches);
  if (!c.ok()) return nullptr;
  double a_last = 0, b_last = 0;
  for (int64_t i = 0; i < batches; i++) {
    if (!(ao[i] >= 0 && ao[i] < 1e12 && bo[i] >= 0 && bo[i] < 1e12)) {
      c.fail("offsets", "not negative");
      return nullptr;
    }
    a_last = ao[i] > a_last ? ao[i] : a_last;
    b_last = bo[i] > b_last ? bo[i] : b_last;
  }
  g.a = c.floats("a", static_cast<int64_t>(a_last) + extent(g.M, g.a_row, g.K, g.a_col));
  g.b = c.floats("b", static_cast<int64_t>(b_last) + extent(g.K, g.b_row, g.N, g.b_col));
  g.c = c.floats("c", count_of(batches, g.M, g.N));
  if (!c.ok()) return nullptr;
  int64_t* offsets = new int64_t[2 * batches + 1];
  for (int64_t i = 0; i < batches; i++) {
    offsets[i] = static_cast<int64_t>(ao[i]);
    offsets[batches + i] = static_cast<int64_t>(bo[i]);
  }
  kernels().gemm_batched(g, batches, offsets, offsets + batches);
  delete[] offsets;
  return nullptr;
}

// multiplyAdds(rounds) -> floating-point operations done: what products are measured against
napi_value js_multiply_adds(napi_env env, napi_callback_info info) {
  Call c(env, info, "multiplyAdds");
  const int64_t rounds = c.size("rounds", 1 << 24);
  if (!c.ok()) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, kernels().multiply_adds(rounds), &result);
  return result;
}

}  // namespace

void register_dense(napi_env env, napi_value exports) {
  const Export all[] = {{"gemm", js_gemm}, {"gemmBatched", js_gemm_batched}, {"bf16", js_bf16},
                        {"bf16Pairs", js_bf16_pairs}, {"multiplyAdds", js_multiply_adds}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
