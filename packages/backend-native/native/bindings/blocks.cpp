// Weights in blocks.
#include "call.h"

namespace filature {
namespace {

BlockFormat format_of(Call& c) { return static_cast<BlockFormat>(c.size("format", kBlockFormats - 1)); }

// The bytes of a row of K elements; fails where they are no whole blocks.
int64_t row_bytes(Call& c, BlockFormat format, int64_t K) {
  if (!c.ok()) return 0;
  const BlockSize size = kBlockSizes[format];
  if (K % size.elements) c.fail("K", "a whole number of blocks");
  return K / size.elements * size.bytes;
}

// blockLinear(format, M, N, K, x, weight, y)
napi_value js_block_linear(napi_env env, napi_callback_info info) {
  Call c(env, info, "blockLinear");
  BlockLinear p = {};
  p.format = format_of(c);
  p.M = c.size("M");
  p.N = c.size("N");
  p.K = c.size("K");
  const int64_t bytes = row_bytes(c, p.format, p.K);
  p.x = c.floats("x", count_of(p.M, p.K));
  p.weight = c.bytes("weight", count_of(p.N, bytes));
  p.y = c.floats("y", count_of(p.M, p.N));
  if (c.ok()) kernels().block_linear(p);
  return nullptr;
}

// blockRows(format, n, rows, K, ids, weight, y)
napi_value js_block_rows(napi_env env, napi_callback_info info) {
  Call c(env, info, "blockRows");
  const BlockFormat format = format_of(c);
  const int64_t n = c.size("n"), rows = c.size("rows"), K = c.size("K"), bytes = row_bytes(c, format, K);
  const int32_t* ids = c.ints("ids", n);
  const uint8_t* weight = c.bytes("weight", count_of(rows, bytes));
  float* y = c.floats("y", count_of(n, K));
  if (c.ok()) c.check_ids("ids", ids, n, rows, 0x100000000);
  if (c.ok()) kernels().block_rows(format, weight, ids, n, K, y);
  return nullptr;
}

}  // namespace

void register_blocks(napi_env env, napi_value exports) {
  const Export all[] = {{"blockLinear", js_block_linear}, {"blockRows", js_block_rows}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
