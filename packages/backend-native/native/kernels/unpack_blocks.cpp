// Blocks as floats: what each format means. The decoders of @filature/checkpoint say the same number by number.
#include "block_formats.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

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

// Q4_K, and with `fifths` Q5_K.
template <bool fifths>
void q4_k(const uint8_t* b, float* to) {
  const float d = half_at(b), dm = half_at(b + 2);
  const Eighths eighths(b + 4);
  const uint8_t *both = eighths.both, *halves = b + (fifths ? 48 : 16);
  for (int sub = 0; sub < 8; sub += 2) {
    const float s0 = d * both[sub], m0 = dm * both[8 + sub];
    const float s1 = d * both[sub + 1], m1 = dm * both[9 + sub];
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
    float* out = to + 128 * half;
    for (int i = 0; i < 32; i += W) {
      const Quarters q(b + 64 * half, b + 128 + 32 * half, i);
      for (int run = 0; run < 4; run++) {
        const int8_t s = static_cast<int8_t>(b[192 + 8 * half + 2 * run + i / 16]);
        store(out + 32 * run + i, to_float(q.at[run]) * (d * s));
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

// y (n, K): the rows `ids` of a weight in blocks.
void block_rows(BlockFormat format, const uint8_t* weight, const int32_t* ids, int64_t n, int64_t K, float* y) {
  const int64_t row_bytes = K / kBlockSizes[format].elements * kBlockSizes[format].bytes;
  for (int64_t i = 0; i < n; i++) unpack_blocks(format, weight + ids[i] * row_bytes, y + i * K, K);
}

}  // namespace FILATURE_ISA
}  // namespace filature
