// Reductions, softmax, gathers and scatters, the k largest, fills.
#include "call.h"

namespace filature {
namespace {

// reduceRows(op, rows, columns, x, y)
napi_value js_reduce_rows(napi_env env, napi_callback_info info) {
  Call c(env, info, "reduceRows");
  const auto op = static_cast<Reduction>(c.size("op", kReductions - 1));
  const auto [rows, columns, n] = Rows(c);
  const float* x = c.floats("x", n);
  float* y = c.floats("y", rows);
  if (c.ok()) kernels().reduce_rows(op, x, y, rows, columns);
  return nullptr;
}

// reduceColumns(op, batches, rows, columns, x, y)
napi_value js_reduce_columns(napi_env env, napi_callback_info info) {
  Call c(env, info, "reduceColumns");
  const auto op = static_cast<Reduction>(c.size("op", kReductions - 1));
  const int64_t batches = c.size("batches"), rows = c.size("rows"), columns = c.size("columns");
  const float* x = c.floats("x", count_of(batches, rows, columns));
  float* y = c.floats("y", count_of(batches, columns));
  if (c.ok()) kernels().reduce_columns(op, x, y, batches, rows, columns);
  return nullptr;
}

// softmax(rows, columns, log, x, y)
napi_value js_softmax(napi_env env, napi_callback_info info) {
  Call c(env, info, "softmax");
  const auto [rows, columns, n] = Rows(c);
  const bool log = c.flag("log");
  const float* x = c.floats("x", n);
  float* y = c.floats("y", n);
  if (c.ok()) kernels().softmax(x, y, rows, columns, log);
  return nullptr;
}

// fill(n, word, y): the four bytes of a number
napi_value js_fill(napi_env env, napi_callback_info info) {
  Call c(env, info, "fill");
  const int64_t n = c.size("n");
  const uint32_t word = c.word("word");
  uint32_t* y = c.words("y", n);
  if (c.ok()) kernels().fill(word, y, n);
  return nullptr;
}

// gather(batches, rows, n, width, x, ids, y)
napi_value js_gather(napi_env env, napi_callback_info info) {
  Call c(env, info, "gather");
  const int64_t batches = c.size("batches"), rows = c.size("rows"), n = c.size("n"), width = c.size("width");
  const uint32_t* x = c.words("x", count_of(batches, rows, width));
  const int32_t* ids = c.ints("ids", n);
  uint32_t* y = c.words("y", count_of(batches, n, width));
  c.check_ids("ids", ids, n, rows, 0x100000000);
  if (c.ok()) kernels().gather(x, ids, batches, rows, n, width, y);
  return nullptr;
}

// scatterAdd(n, width, rows, skip, x, ids, y): ids outside 0..rows-1 and skip (-1: none) are left out
napi_value js_scatter_add(napi_env env, napi_callback_info info) {
  Call c(env, info, "scatterAdd");
  const int64_t n = c.size("n"), width = c.size("width"), rows = c.size("rows");
  const int64_t skip = c.integer("skip");
  const float* x = c.floats("x", count_of(n, width));
  const int32_t* ids = c.ints("ids", n);
  float* y = c.floats("y", count_of(rows, width));
  if (c.ok()) kernels().scatter_add(x, ids, n, width, rows, skip, y);
  return nullptr;
}

// topK(rows, columns, k, x, values, indices)
napi_value js_top_k(napi_env env, napi_callback_info info) {
  Call c(env, info, "topK");
  const auto [rows, columns, n] = Rows(c);
  const int64_t k = c.size("k");
  if (c.ok() && k > columns) c.fail("k", "at most columns");
  const float* x = c.floats("x", n);
  float* values = c.floats("values", count_of(rows, k));
  int32_t* indices = c.ints("indices", count_of(rows, k));
  if (c.ok()) kernels().top_k(x, rows, columns, k, values, indices);
  return nullptr;
}

// sumSquares(n, x) -> number
napi_value js_sum_squares(napi_env env, napi_callback_info info) {
  Call c(env, info, "sumSquares");
  const int64_t n = c.size("n");
  const float* x = c.floats("x", n);
  if (!c.ok()) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, kernels().sum_squares(x, n), &result);
  return result;
}

}  // namespace

void register_shape(napi_env env, napi_value exports) {
  const Export all[] = {{"reduceRows", js_reduce_rows}, {"reduceColumns", js_reduce_columns}, {"softmax", js_softmax},
                        {"fill", js_fill}, {"gather", js_gather}, {"scatterAdd", js_scatter_add}, {"topK", js_top_k},
                        {"sumSquares", js_sum_squares}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
