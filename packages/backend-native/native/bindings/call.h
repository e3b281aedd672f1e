// Reading the arguments of a call from JavaScript. Sizes come before the arrays that they measure; the first argument that
// is wrong throws, and nothing has been written by then.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "../kernels/kernels.h"

namespace filature {

// Product of sizes, or an unreachable number where it would not fit.
template <typename... N>
inline int64_t count_of(N... sizes) {
  constexpr int64_t kTooMany = int64_t{1} << 52;
  int64_t product = 1;
  for (const int64_t n : {static_cast<int64_t>(sizes)...}) {
    if (n == 0) return 0;
    if (product > kTooMany / n) return kTooMany;
    product *= n;
  }
  return product;
}

class Call {
 public:
  Call(napi_env env, napi_callback_info info, const char* who);

  bool ok() const { return !failed_; }
  int64_t size(const char* name, int64_t most = int64_t{1} << 40);
  int64_t step(const char* name) { return size(name); }
  double number(const char* name);
  float real(const char* name) { return static_cast<float>(number(name)); }
  // Several reals in a row, each to its place.
  void reals(std::initializer_list<std::pair<const char*, float*>> all) {
    for (const auto& [name, to] : all) *to = real(name);
  }
  bool flag(const char* name);
  uint32_t word(const char* name);
  int32_t integer(const char* name);

  // Arrays of at least `need` entries; null or undefined is accepted where optional.
  float* floats(const char* name, int64_t need) { return static_cast<float*>(array(name, need, napi_float32_array, false)); }
  float* maybe_floats(const char* name, int64_t need) {
    return static_cast<float*>(array(name, need, napi_float32_array, true));
  }
  int32_t* ints(const char* name, int64_t need) { return static_cast<int32_t*>(array(name, need, napi_int32_array, false)); }
  uint8_t* bytes(const char* name, int64_t need) { return static_cast<uint8_t*>(array(name, need, napi_uint8_array, false)); }
  double* doubles(const char* name, int64_t need) {
    return static_cast<double*>(array(name, need, napi_float64_array, false));
  }
  uint32_t* words(const char* name, int64_t need);  // floats or ints: four bytes each
  // A list, entry by entry; false where it is optional and left out. What the entries are is for floats_of to say.
  bool list(const char* name, bool optional, std::vector<napi_value>& entries);
  float* floats_of(const char* name, napi_value entry, int64_t need, size_t* length) {
    return static_cast<float*>(memory(name, entry, need, napi_float32_array, napi_float32_array, false, length));
  }
  bool walk(Walk& w);                               // Float64Array: rank, sizes, steps of a, b and out

  void fail(const char* name, const char* wanted);
  void fail_at(const char* name, const char* wanted, int64_t index, int64_t got);
  // Checks that ids lie in 0..limit-1, or equal `allowed`.
  void check_ids(const char* name, const int32_t* ids, int64_t n, int64_t limit, int64_t allowed);

  napi_env env;

 private:
  void* array(const char* name, int64_t need, napi_typedarray_type wanted, bool optional);
  void* memory(const char* name, napi_value v, int64_t need, napi_typedarray_type one, napi_typedarray_type other,
               bool optional, size_t* length);
  bool absent(napi_value v) const;
  napi_value next();

  const char* who_;
  napi_value argv_[48];
  size_t argc_ = 48, at_ = 0;
  bool failed_ = false;
};

// Rows and columns, which most kernels begin with, and how many entries they have.
struct Rows {
  int64_t rows, columns, n;
  explicit Rows(Call& c, const char* across = "columns")
      : rows(c.size("rows")), columns(c.size(across)), n(count_of(rows, columns)) {}
};

// The largest index that strides reach, plus one: what an array must hold.
inline int64_t extent(int64_t rows, int64_t row_step, int64_t columns, int64_t column_step) {
  if (rows == 0 || columns == 0) return 0;
  const int64_t a = count_of(rows - 1, row_step), b = count_of(columns - 1, column_step);
  return a + b + 1;
}

void register_blocks(napi_env env, napi_value exports);
void register_dense(napi_env env, napi_value exports);
void register_elementwise(napi_env env, napi_value exports);
void register_shape(napi_env env, napi_value exports);
void register_fused(napi_env env, napi_value exports);
void register_attention(napi_env env, napi_value exports);
void register_recurrent(napi_env env, napi_value exports);
void register_optimizers(napi_env env, napi_value exports);
void register_memory(napi_env env, napi_value exports);

struct Export {
  const char* name;
  napi_callback call;
};
void define(napi_env env, napi_value exports, const Export* functions, size_t count);

}  // namespace filature
