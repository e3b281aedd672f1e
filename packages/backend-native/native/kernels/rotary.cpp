// Rotary positions (Su et al., 2021): pairs of a head's first R numbers are turned by an angle of the position.
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {

void rotary(const float* x, const float* cos, const float* sin, int64_t B, int64_t T, int64_t H, int64_t D, int64_t R,
            bool per_batch, bool interleaved, bool inverse, float* y) {
  const int64_t half = R / 2;
  const float sign = inverse ? -1.0f : 1.0f;
  row_groups(B * T, H * D, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const int64_t angle = (per_batch ? r : r % T) * half;
      const float *c = cos + angle, *s = sin + angle;
      for (int64_t h = 0; h < H; h++) {
        const float* from = x + (r * H + h) * D;
        float* to = y + (r * H + h) * D;
        if (interleaved) {
          for (int64_t i = 0; i < half; i++) {
            const float a = from[2 * i], b = from[2 * i + 1], si = s[i] * sign;
            to[2 * i] = a * c[i] - b * si;
            to[2 * i + 1] = b * c[i] + a * si;
          }
        } else {
          int64_t i = 0;
          for (; i + W <= half; i += W) {
            const vf a = load(from + i), b = load(from + i + half), co = load(c + i), si = load(s + i) * sign;
            store(to + i, a * co - b * si);
            store(to + i + half, b * co + a * si);
          }
          for (; i < half; i++) {
            const float a = from[i], b = from[i + half], si = s[i] * sign;
            to[i] = a * c[i] - b * si;
            to[i + half] = b * c[i] + a * si;
          }
        }
        for (int64_t i = R; i < D; i++) to[i] = from[i];
      }
    }
  });
}

}  // namespace FILATURE_ISA
}  // namespace filature
