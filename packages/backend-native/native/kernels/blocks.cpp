// Products with weights in blocks: some rows at a time become floats where the caches are near, and are multiplied there.
// What is read from memory is the blocks alone, which is what decoding a token by a large model waits for.
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "gemm_paths.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

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
FILATURE_INLINE vi signed_bytes_at(const uint8_t* p) { return (bytes_at(p) ^ 128) - 128; }
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

// Sixteen-bit floats in rows of any length.
template <typename F>
FILATURE_INLINE void widen(const uint8_t* from, float* to, int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, f(shorts_at(from + 2 * i)));
  if (i == n) return;
  uint8_t rest[2 * W] = {};
  std::memcpy(rest, from + 2 * i, 2 * (n - i));
  store_part(to + i, f(shorts_at(rest)), n - i);
}

void q8_0(const uint8_t* b, float* to) {
  const float d = half_at(b);
  for (int i = 0; i < 32; i += W) store(to + i, to_float(signed_bytes_at(b + 2 + i)) * d);
}

void q4_0(const uint8_t* b, float* to) {
  const float d = half_at(b);
  for (int i = 0; i < 16; i += W) {
    const vi q = bytes_at(b + 2 + i);
    store(to + i, to_float((q & 15) - 8) * d);
    store(to + 16 + i, to_float((q >> 4) - 8) * d);
  }
}

// Six-bit sub-scales s and sub-offsets m of eight sub-blocks, out of 12 bytes: the first four of each in the low bits of
// bytes 0-3 and 4-7, the others in halves of bytes 8-11 with their upper bits above the first four.
struct Eighths {
  uint8_t s[8], m[8];
  explicit Eighths(const uint8_t* at) {
    uint32_t a, b, c;
    std::memcpy(&a, at, 4);
    std::memcpy(&b, at + 4, 4);
    std::memcpy(&c, at + 8, 4);
    const uint32_t all[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030), b & 0x3f3f3f3f,
                             ((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)};
    std::memcpy(s, all, 8);
    std::memcpy(m, all + 2, 8);
  }
};

// Q4_K, and with `fifths` Q5_K.
template <bool fifths>
void q4_k(const uint8_t* b, float* to) {
  const float d = half_at(b), dm = half_at(b + 2);
  const Eighths sub_blocks(b + 4);
  const uint8_t* halves = b + (fifths ? 48 : 16);
  for (int sub = 0; sub < 8; sub += 2) {
    const float s0 = d * sub_blocks.s[sub], m0 = dm * sub_blocks.m[sub];
    const float s1 = d * sub_blocks.s[sub + 1], m1 = dm * sub_blocks.m[sub + 1];
    for (int i = 0; i < 32; i += W) {
      const vi q = bytes_at(halves + 16 * sub + i);
      vi low = q & 15, high = q >> 4;
      if (fifths) {
        const vi fifth = bytes_at(b + 16 + i);
        low |= ((fifth >> sub) & 1) << 4;
        high |= ((fifth >> (sub + 1)) & 1) << 4;
      }
      store(to + 32 * sub + i, to_float(low) * s0 - m0);
      store(to + 32 * sub + 32 + i, to_float(high) * s1 - m1);
    }
  }
}

void q6_k(const uint8_t* b, float* to) {
  const float d = half_at(b + 208);
  for (int half = 0; half < 2; half++) {
    const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
    float* out = to + 128 * half;
    for (int i = 0; i < 32; i += W) {
      const vi a = bytes_at(low + i), c = bytes_at(low + 32 + i), h = bytes_at(high + i);
      const vi q[4] = {(a & 15) | ((h & 3) << 4), (c & 15) | (((h >> 2) & 3) << 4), (a >> 4) | (((h >> 4) & 3) << 4),
                       (c >> 4) | ((h >> 6) << 4)};
      for (int run = 0; run < 4; run++) {
        const int8_t s = static_cast<int8_t>(b[192 + 8 * half + 2 * run + i / 16]);
        store(out + 32 * run + i, to_float(q[run] - 32) * (d * s));
      }
    }
  }
}

template <int64_t elements, int64_t bytes>
void each(const uint8_t* from, float* to, int64_t n, void (*one)(const uint8_t*, float*)) {
  for (int64_t i = 0; i < n; i += elements, from += bytes) one(from, to + i);
}

}  // namespace

void unpack_blocks(BlockFormat format, const uint8_t* from, float* to, int64_t n) {
  switch (format) {
    case kBlockBf16:
      return widen(from, to, n, [](vi h) { return bits_to_float(h << 16); });
    case kBlockF16: return widen(from, to, n, [](vi h) { return half_to_float(h); });
    case kBlockQ8_0: return each<32, 34>(from, to, n, q8_0);
    case kBlockQ4_0: return each<32, 18>(from, to, n, q4_0);
    case kBlockQ4_K: return each<256, 144>(from, to, n, q4_k<false>);
    case kBlockQ5_K: return each<256, 176>(from, to, n, q4_k<true>);
    case kBlockQ6_K: return each<256, 210>(from, to, n, q6_k);
    case kBlockFormats: return;
  }
}

void block_linear(const BlockLinear& p) {
  if (p.M * p.N == 0) return;
  const BlockSize size = kBlockSizes[p.format];
  const int64_t row_bytes = p.K / size.elements * size.bytes;
  // Few rows of x: as many rows of the weight as share the first cache. Many: as many as the second cache holds.
  constexpr int64_t kFew = 4, kTogether = 4, kSlice = 32, kFloats = 1 << 20;
  const bool few = p.M <= kFew;
  int64_t rows = kSlice;
  if (!few)
    while (rows < 512 && 2 * rows * p.K <= kFloats) rows *= 2;
  parallel_for(blocks(p.N, rows), [&](int64_t task) {
    const int64_t j1 = least((task + 1) * rows, p.N), step = few ? kTogether : rows;
    float* floats = scratch(kExtra, step * p.K + W);
    for (int64_t j = task * rows; j < j1; j += step) {
      const int64_t n = least(step, j1 - j);
      for (int64_t r = 0; r < n; r++) unpack_blocks(p.format, p.weight + (j + r) * row_bytes, floats + r * p.K, p.K);
      Gemm g = {};
      g.M = p.M;
      g.N = n;
      g.K = p.K;
      g.a = p.x;
      g.a_row = p.K;
      g.a_col = 1;
      g.b = floats;
      g.b_row = 1;
      g.b_col = p.K;
      g.c = p.y + j;
      g.ldc = p.N;
      if (few) dot_rows(g, 0, p.M, 0, n);
      else gemm(g);
    }
  });
}

// y (n, K): the rows `ids` of a weight in blocks.
void block_rows(BlockFormat format, const uint8_t* weight, const int32_t* ids, int64_t n, int64_t K, float* y) {
  const int64_t row_bytes = K / kBlockSizes[format].elements * kBlockSizes[format].bytes;
  for (int64_t i = 0; i < n; i++) unpack_blocks(format, weight + ids[i] * row_bytes, y + i * K, K);
}

}  // namespace FILATURE_ISA
}  // namespace filature
