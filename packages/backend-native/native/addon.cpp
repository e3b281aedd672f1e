// The addon: may be loaded by any number of JavaScript threads; the last to leave joins the worker threads.
#include "bindings/call.h"
#include "pool.h"

namespace {
void leave(void*) { filature::pool_release(); }
}  // namespace

NAPI_MODULE_INIT() {
  using namespace filature;
  static const bool chosen = choose_kernels("auto");
  (void)chosen;
  pool_retain();
  if (napi_add_env_cleanup_hook(env, leave, nullptr) != napi_ok) pool_release();
  register_memory(env, exports);
  register_blocks(env, exports);
  register_dense(env, exports);
  register_elementwise(env, exports);
  register_shape(env, exports);
  register_fused(env, exports);
  register_attention(env, exports);
  register_recurrent(env, exports);
  register_optimizers(env, exports);
  return exports;
}
