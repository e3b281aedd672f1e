// Blocks of memory for tensors, threads, the instruction set.
#include <cstdlib>
#include <new>

#include "../pool.h"
#include "call.h"

#if defined(_WIN32)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace filature {
namespace {

constexpr size_t kPage = size_t{2} << 20;  // from here on blocks lie on large pages, where the system has them

void* take(size_t bytes) {
  const size_t rounded = (bytes + 63) / 64 * 64;
#if defined(_WIN32)
  return _aligned_malloc(rounded ? rounded : 64, 64);
#else
  const size_t align = bytes >= kPage ? kPage : 64;
  void* p = nullptr;
  if (posix_memalign(&p, align, rounded ? rounded : 64) != 0) return nullptr;
#if defined(__linux__)
  if (bytes >= kPage) madvise(p, rounded, MADV_HUGEPAGE);
#endif
  return p;
#endif
}

void give(napi_env, void* data, void*) {
#if defined(_WIN32)
  _aligned_free(data);
#else
  free(data);
#endif
}

// allocate(bytes) -> ArrayBuffer at a multiple of 64, contents undefined
napi_value js_allocate(napi_env env, napi_callback_info info) {
  Call c(env, info, "allocate");
  const int64_t bytes = c.size("bytes");
  if (!c.ok()) return nullptr;
  void* data = take(static_cast<size_t>(bytes));
  if (!data) {
    napi_throw_error(env, "NATIVE_MEMORY", "allocate: the system has no memory left");
    return nullptr;
  }
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, data, static_cast<size_t>(bytes), give, nullptr, &buffer) != napi_ok) {
    give(env, data, nullptr);
    napi_throw_error(env, "NATIVE_MEMORY", "allocate: this runtime takes no external buffers");
    return nullptr;
  }
  return buffer;
}

// release(buffer): gives the block back at once; the buffer is detached
napi_value js_release(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value buffer;
  bool is = false;
  if (napi_get_cb_info(env, info, &argc, &buffer, nullptr, nullptr) != napi_ok || argc < 1) return nullptr;
  if (napi_is_arraybuffer(env, buffer, &is) == napi_ok && is) napi_detach_arraybuffer(env, buffer);
  return nullptr;
}

// threads(n?) -> the calling JavaScript thread's limit
napi_value js_threads(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument, result = nullptr;
  if (napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr) != napi_ok) return nullptr;
  int32_t n = 0;
  if (argc > 0 && napi_get_value_int32(env, argument, &n) == napi_ok && n > 0) set_thread_limit(n);
  napi_create_int32(env, thread_limit(), &result);
  return result;
}

napi_value js_cores(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_int32(env, available_cores(), &result);
  return result;
}

// isa(name?) -> the instruction set in use; a name that this machine has not changes nothing
napi_value js_isa(napi_env env, napi_callback_info info) {
  size_t argc = 1, length = 0;
  napi_value argument, result = nullptr;
  char name[32] = "";
  if (napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr) != napi_ok) return nullptr;
  if (argc > 0 && napi_get_value_string_utf8(env, argument, name, sizeof name, &length) == napi_ok) choose_kernels(name);
  napi_create_string_utf8(env, kernels().isa, NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value js_isas(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, available_kernels(), NAPI_AUTO_LENGTH, &result);
  return result;
}

}  // namespace

void register_memory(napi_env env, napi_value exports) {
  const Export all[] = {{"allocate", js_allocate}, {"release", js_release}, {"threads", js_threads},
                        {"cores", js_cores}, {"isa", js_isa}, {"isas", js_isas}};
  define(env, exports, all, sizeof all / sizeof all[0]);
}

}  // namespace filature
