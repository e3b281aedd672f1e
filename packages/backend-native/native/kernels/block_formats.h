// Reading blocks: numbers of one, two and half bytes as vectors, and the scales of sub-blocks.
#pragma once
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "../simd.h"

namespace filature {
namespace FILATURE_ISA {

// W unsigned or signed bytes, or W shorts, as integers. In intrinsics: compilers widen their own vectors one number at a time.
FILATURE_INLINE vi bytes_at(const uint8_t* p) {
#if FILATURE_W == 16
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif FILATURE_W == 8
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  return vi{p[0], p[1], p[2], p[3]};
#endif
}
FILATURE_INLINE vi signed_bytes_at(const uint8_t* p) {
#if FILATURE_W == 16
  return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif FILATURE_W == 8
  return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  return (bytes_at(p) ^ 128) - 128;
#endif
}
FILATURE_INLINE vi shorts_at(const uint8_t* p) {
#if FILATURE_W == 16
  return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif FILATURE_W == 8
  return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  uint16_t h[4];
  std::memcpy(h, p, sizeof h);
  return vi{h[0], h[1], h[2], h[3]};
#endif
}

// Half precision: the exponent is moved by a product, which also makes subnormals right; infinities and NaN keep theirs.
FILATURE_INLINE vf half_to_float(vi h) {
#if FILATURE_W == 16
  return (vf)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)h));
#else
  const vi low = (h & 0x7fff) << 13, sign = (h & 0x8000) << 16;
  const vi moved = float_to_bits(bits_to_float(low) * 0x1p112f);
  return bits_to_float((low >= (0x7c00 << 13) ? (low | 0x7f800000) : moved) | sign);
#endif
}
FILATURE_INLINE float half_at(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
#if FILATURE_W == 16
  return _mm512_cvtss_f32(_mm512_cvtph_ps(_mm256_castsi128_si256(_mm_cvtsi32_si128(h))));
#else
  const uint32_t low = (h & 0x7fffu) << 13, sign = (h & 0x8000u) << 16;
  float moved;
  std::memcpy(&moved, &low, 4);
  moved *= 0x1p112f;
  uint32_t bits;
  std::memcpy(&bits, &moved, 4);
  bits = (low >= 0x7c00u << 13 ? low | 0x7f800000u : bits) | sign;
  std::memcpy(&moved, &bits, 4);
  return moved;
#endif
}

// Six-bit sub-scales s and sub-offsets m of eight sub-blocks, out of 12 bytes: the first four of each in the low bits of
// bytes 0-3 and 4-7, the others in halves of bytes 8-11 with their upper bits above the first four.
struct Eighths {
  uint8_t both[16];  // s, then m
  explicit Eighths(const uint8_t* at) {
    uint32_t a, b, c;
    std::memcpy(&a, at, 4);
    std::memcpy(&b, at + 4, 4);
    std::memcpy(&c, at + 8, 4);
    const uint32_t all[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030), b & 0x3f3f3f3f,
                             ((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)};
    std::memcpy(both, all, 16);
  }
};

// Numbers i .. i + W - 1 of four runs of 32 in half a Q6_K block, centred: low four bits and high two.
struct Quarters {
  vi at[4];
  Quarters(const uint8_t* low, const uint8_t* high, int i) {
    const vi a = bytes_at(low + i), c = bytes_at(low + 32 + i), h = bytes_at(high + i);
    at[0] = ((a & 15) | ((h & 3) << 4)) - 32;
    at[1] = ((c & 15) | (((h >> 2) & 3) << 4)) - 32;
    at[2] = ((a >> 4) | (((h >> 4) & 3) << 4)) - 32;
    at[3] = ((c >> 4) | ((h >> 6) << 4)) - 32;
  }
};

}  // namespace FILATURE_ISA
}  // namespace filature
