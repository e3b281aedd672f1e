// Dropout (Srivastava et al., 2014) with the core's Philox stream.
#include "philox.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {

void dropout(const Philox& p, const float* x, float* y, int64_t n) {
  constexpr int64_t kPart = 1 << 13;
  const int64_t parts = (n + kPart - 1) / kPart;
  const auto part = [&](int64_t t) {
    const int64_t first = t * kPart, count = n - first < kPart ? n - first : kPart;
    philox_stretches(p, first, count, [&](int64_t i, const uint32_t* words, int64_t m) {
      for (int64_t k = 0; k < m; k++) y[first + i + k] = words[k] >= p.threshold ? x[first + i + k] * p.scale : 0.0f;
    });
  };
  if (parts > 2) parallel_for(parts, part);
  else for (int64_t t = 0; t < parts; t++) part(t);
}

void philox_words(const Philox& p, int64_t first, uint32_t* out, int64_t n) {
  philox_stretches(p, first, n, [&](int64_t i, const uint32_t* words, int64_t m) { std::memcpy(out + i, words, 4 * m); });
}

}  // namespace FILATURE_ISA
}  // namespace filature
