// Packing: a strided matrix into panels that the inner product reads in order.
#pragma once
#include "../simd.h"

namespace filature {
namespace FILATURE_ISA {

// Transposes W vectors in place: log2(W) rounds, each interleaving vector i with vector i + W / 2.
FILATURE_INLINE void transpose(vf v[W]) {
#pragma GCC unroll 4
  for (int round = 1; round < W; round *= 2) {
    vf t[W];
#pragma GCC unroll 16
    for (int i = 0; i < W / 2; i++) {
      const vf a = v[i], b = v[i + W / 2];
#if FILATURE_W == 16
      t[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif FILATURE_W == 8
      t[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
      t[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      t[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) v[i] = t[i];
  }
}

// One panel: element (i, k), i < count <= P, k < K, at x[i * minor + k * major], to panel[k * P + i]; rows beyond count
// are zero. The panel needs W floats of room behind it.
FILATURE_INLINE void pack_panel(int64_t P, float* panel, const float* x, int64_t minor, int64_t major, int count, int64_t K) {
  int64_t k = 0;
  if (major == 1) {
    for (; k + W <= K; k += W) {
      for (int64_t i0 = 0; i0 < P; i0 += W) {
        vf v[W];
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) v[i] = i0 + i < count ? load(x + (i0 + i) * minor + k) : vf{};
        transpose(v);
        // In a panel narrower than the vectors each store spills into the next row, which is written after it.
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(panel + (k + i) * P + i0, v[i]);
      }
    }
  }
  if (minor == 1) {
    for (; k < K; k++) {
      const float* from = x + k * major;
      float* row = panel + k * P;
      int64_t i = 0;
      for (; i + W <= count; i += W) store(row + i, load(from + i));
      for (; i < P; i += W) store(row + i, load_part(from + i, i < count ? count - i : 0));
    }
  }
  for (; k < K; k++) {
    for (int i = 0; i < count; i++) panel[k * P + i] = x[i * minor + k * major];
    for (int64_t i = count; i < P; i++) panel[k * P + i] = 0;
  }
}
template <int P>
inline void pack_panel(float* panel, const float* x, int64_t minor, int64_t major, int count, int64_t K) {
  if (count == P) pack_panel(P, panel, x, minor, major, P, K);
  else pack_panel(P, panel, x, minor, major, count, K);
}

// Several panels of `height` <= P rows each, `stride` floats apart. Where the rows lie side by side in x they are packed
// together, row of x by row of x: each is then read once and in order.
template <int P>
inline void pack_panels(float* to, int64_t stride, const float* x, int64_t minor, int64_t major, int64_t count, int64_t height,
                        int64_t K) {
  const int64_t panels = (count + height - 1) / height;
  if (minor != 1 || major == 1 || panels == 1) {
    for (int64_t p = 0; p < panels; p++) {
      const int64_t i = p * height;
      pack_panel<P>(to + p * stride, x + i * minor, minor, major, count - i < height ? count - i : height, K);
    }
    return;
  }
  for (int64_t k = 0; k < K; k++) {
    const float* from = x + k * major;
    float* row = to + k * P;
    int64_t i = 0;
    // what is copied beyond the height belongs to the next panel and is never used
    for (; i + P <= count; i += height, row += stride) std::memcpy(row, from + i, P * sizeof(float));
    for (; i < count; i += height, row += stride) {
      const int64_t n = count - i < height ? count - i : height;
      for (int64_t j = 0; j < n; j++) row[j] = from[i + j];
      for (int64_t j = n; j < P; j++) row[j] = 0;
    }
  }
}

}  // namespace FILATURE_ISA
}  // namespace filature
