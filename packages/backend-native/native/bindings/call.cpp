#include "call.h"

#include <cmath>
#include <cstdio>

namespace filature {

Call::Call(napi_env e, napi_callback_info info, const char* who) : env(e), who_(who) {
  if (napi_get_cb_info(env, info, &argc_, argv_, nullptr, nullptr) != napi_ok) failed_ = true;
}

napi_value Call::next() { return at_ < argc_ && at_ < 48 ? argv_[at_++] : nullptr; }

void Call::fail(const char* name, const char* wanted) {
  if (failed_) return;
  failed_ = true;
  char text[256];
  std::snprintf(text, sizeof text, "%s: %s must be %s", who_, name, wanted);
  napi_throw_range_error(env, "NATIVE_ARGUMENT", text);
}

void Call::fail_at(const char* name, const char* wanted, int64_t index, int64_t got) {
  if (failed_) return;
  char text[160];
  std::snprintf(text, sizeof text, "%s; entry %lld is %lld", wanted, static_cast<long long>(index), static_cast<long long>(got));
  fail(name, text);
}

int64_t Call::size(const char* name, int64_t most) {
  const double v = number(name);
  if (failed_) return 0;
  if (!(v >= 0 && v <= static_cast<double>(most)) || v != std::floor(v)) {
    char text[80];
    std::snprintf(text, sizeof text, "a whole number from 0 to %lld", static_cast<long long>(most));
    fail(name, text);
    return 0;
  }
  return static_cast<int64_t>(v);
}

double Call::number(const char* name) {
  napi_value v = next();
  double d = 0;
  if (failed_) return 0;
  if (!v || napi_get_value_double(env, v, &d) != napi_ok) fail(name, "a number");
  return d;
}

bool Call::flag(const char* name) {
  napi_value v = next();
  bool b = false;
  if (failed_) return false;
  if (!v || napi_get_value_bool(env, v, &b) != napi_ok) fail(name, "a boolean");
  return b;
}

uint32_t Call::word(const char* name) {
  const double v = number(name);
  if (!failed_ && !(v >= 0 && v <= 4294967295.0)) fail(name, "an unsigned 32-bit number");
  return failed_ ? 0 : static_cast<uint32_t>(v);
}

int32_t Call::integer(const char* name) {
  const double v = number(name);
  if (!failed_ && !(v >= -2147483648.0 && v <= 2147483647.0 && v == std::floor(v))) fail(name, "a whole number of 32 bits");
  return failed_ ? 0 : static_cast<int32_t>(v);
}

bool Call::absent(napi_value v) const {
  napi_valuetype kind = napi_undefined;
  if (v) napi_typeof(env, v, &kind);
  return kind == napi_undefined || kind == napi_null;
}

bool Call::list(const char* name, bool optional, std::vector<napi_value>& entries) {
  constexpr uint32_t kMost = 1 << 20;
  napi_value v = next();
  if (failed_ || (optional && absent(v))) return false;
  bool is_array = false;
  uint32_t count = 0;
  if (!v || napi_is_array(env, v, &is_array) != napi_ok || !is_array || napi_get_array_length(env, v, &count) != napi_ok ||
      count > kMost) {
    fail(name, "a list of at most 1,048,576 arrays");
    return false;
  }
  entries.resize(count);
  for (uint32_t i = 0; i < count; i++)
    if (napi_get_element(env, v, i, &entries[i]) != napi_ok) {
      fail(name, "a list that can be read");
      return false;
    }
  return true;
}

void* Call::memory(const char* name, napi_value v, int64_t need, napi_typedarray_type one, napi_typedarray_type other,
                   bool optional, size_t* of_length) {
  if (failed_) return nullptr;
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  // Node-API reads nothing from a value that is no typed array.
  if (!v || napi_get_typedarray_info(env, v, &type, &length, &data, nullptr, nullptr) != napi_ok) {
    if (optional && absent(v)) return nullptr;
    fail(name, "a typed array");
    return nullptr;
  }
  if (type != one && type != other) {
    fail(name, one == napi_float32_array ? "a Float32Array" : one == napi_int32_array ? "an Int32Array"
               : one == napi_float64_array ? "a Float64Array" : "a Uint8Array");
    return nullptr;
  }
  if (static_cast<int64_t>(length) < need) {
    char text[120];
    std::snprintf(text, sizeof text, "at least %lld long (it is %lld, or detached)", static_cast<long long>(need),
                  static_cast<long long>(length));
    fail(name, text);
    return nullptr;
  }
  if (of_length) *of_length = length;
  static float nothing[16];  // an empty array may come without an address
  return data ? data : nothing;
}

void* Call::array(const char* name, int64_t need, napi_typedarray_type wanted, bool optional) {
  return memory(name, next(), need, wanted, wanted, optional, nullptr);
}

uint32_t* Call::words(const char* name, int64_t need) {
  return static_cast<uint32_t*>(memory(name, next(), need, napi_float32_array, napi_int32_array, false, nullptr));
}

bool Call::walk(Walk& w) {
  const double* d = doubles("walk", 1 + 4 * kAxes);
  if (failed_) return false;
  if (!(d[0] >= 1 && d[0] <= kAxes)) {
    fail("walk", "of rank 1 to 6");
    return false;
  }
  w.rank = static_cast<int>(d[0]);
  int64_t* parts[4] = {w.size, w.a, w.b, w.out};
  for (int part = 0; part < 4; part++)
    for (int i = 0; i < w.rank; i++) {
      const double v = d[1 + part * kAxes + i];
      if (!(v >= 0 && v <= 1099511627776.0)) {
        fail("walk", "made of sizes and steps that are not negative");
        return false;
      }
      parts[part][i] = static_cast<int64_t>(v);
    }
  return true;
}

void Call::check_ids(const char* name, const int32_t* ids, int64_t n, int64_t limit, int64_t allowed) {
  if (failed_) return;
  for (int64_t i = 0; i < n; i++)
    if ((ids[i] < 0 || ids[i] >= limit) && ids[i] != allowed) {
      char text[80];
      std::snprintf(text, sizeof text, "from 0 to %lld", static_cast<long long>(limit - 1));
      return fail_at(name, text, i, ids[i]);
    }
}

void define(napi_env env, napi_value exports, const Export* functions, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value f;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, nullptr, &f) == napi_ok)
      napi_set_named_property(env, exports, functions[i].name, f);
  }
}

}  // namespace filature
