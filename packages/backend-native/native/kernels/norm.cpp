// Layer norm (Ba et al., 2016) and RMS norm (Zhang and Sennrich, 2019), forward and gradient.
#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t columns, float* y,
                float* mean, float* rstd) {
  const float n = static_cast<float>(columns);
  row_groups(rows, columns, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* from = x + r * columns;
      const float mu = sum_of(from, columns, [](vf v) { return v; }) / n;
      const float variance = sum_of(from, columns, [=](vf v) { return (v - mu) * (v - mu); }) / n;
      const float scale = 1.0f / std::sqrt(variance + eps);
      float* to = y + r * columns;
      along(columns, [&](int64_t c, int part) {
        vf v = (at(from, c, part) - mu) * scale;
        if (weight) v *= at(weight, c, part);
        if (bias) v += at(bias, c, part);
        put(to, c, v, part);
      });
      if (mean) mean[r] = mu;
      if (rstd) rstd[r] = scale;
    }
  });
}

void layer_norm_grad(const float* x, const float* weight, const float* mean, const float* rstd, const float* dy, int64_t rows,
                     int64_t columns, float* dx, float* d_weight, float* d_bias) {
  const float n = static_cast<float>(columns);
  const auto body = [&](int64_t r, int64_t end, float* sums) {
    for (; r < end; r++) {
      const float *from = x + r * columns, *d = dy + r * columns;
      const float mu = mean[r], scale = rstd[r];
      vf g_sum = {}, gx_sum = {};
      along(columns, [&](int64_t c, int part) {
        const vf xhat = (at(from, c, part) - mu) * scale, dv = at(d, c, part);
        const vf g = weight ? dv * at(weight, c, part) : dv;
        g_sum += g;
        gx_sum += g * xhat;
        if (sums) {
          put(sums, c, at(sums, c, part) + dv * xhat, part);
          put(sums + columns, c, at(sums + columns, c, part) + dv, part);
        }
      });
      if (!dx) continue;
      const float g_mean = sum(g_sum) / n, gx_mean = sum(gx_sum) / n;
      float* to = dx + r * columns;
      along(columns, [&](int64_t c, int part) {
        const vf xhat = (at(from, c, part) - mu) * scale, dv = at(d, c, part);
        const vf g = weight ? dv * at(weight, c, part) : dv;
        put(to, c, (g - g_mean - xhat * gx_mean) * scale, part);
      });
    }
  };
  if (!d_weight && !d_bias) return row_groups(rows, columns, [&](int64_t r, int64_t end) { body(r, end, nullptr); });
  float* both = scratch(kRows, 2 * columns + 1);
  summed_parts(rows, columns, 2 * columns, both, body);
  if (d_weight) std::memcpy(d_weight, both, columns * sizeof(float));
  if (d_bias) std::memcpy(d_bias, both + columns, columns * sizeof(float));
}

void rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t columns, float* y, float* rstd) {
  const float n = static_cast<float>(columns);
  row_groups(rows, columns, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* from = x + r * columns;
      const float scale = 1.0f / std::sqrt(sum_of(from, columns, [](vf v) { return v * v; }) / n + eps);
      float* to = y + r * columns;
      along(columns, [&](int64_t c, int part) { put(to, c, at(from, c, part) * scale * at(weight, c, part), part); });
      if (rstd) rstd[r] = scale;
    }
  });
}

void rms_norm_grad(const float* x, const float* weight, const float* rstd, const float* dy, int64_t rows, int64_t columns,
                   float* dx, float* d_weight) {
  const float n = static_cast<float>(columns);
  const auto body = [&](int64_t r, int64_t end, float* sums) {
    for (; r < end; r++) {
      const float *from = x + r * columns, *d = dy + r * columns;
      const float scale = rstd[r];
      vf gx_sum = {};
      along(columns, [&](int64_t c, int part) {
        const vf xhat = at(from, c, part) * scale, dv = at(d, c, part);
        gx_sum += dv * at(weight, c, part) * xhat;
        if (sums) put(sums, c, at(sums, c, part) + dv * xhat, part);
      });
      if (!dx) continue;
      const float gx_mean = sum(gx_sum) / n;
      float* to = dx + r * columns;
      along(columns, [&](int64_t c, int part) {
        const vf xhat = at(from, c, part) * scale;
        put(to, c, (at(d, c, part) * at(weight, c, part) - xhat * gx_mean) * scale, part);
      });
    }
  };
  if (!d_weight) return row_groups(rows, columns, [&](int64_t r, int64_t end) { body(r, end, nullptr); });
  summed_parts(rows, columns, columns, d_weight, body);
}

}  // namespace FILATURE_ISA
}  // namespace filature
