// Products with weights in blocks. What is read from memory is the blocks alone, which is what decoding a token by a large
// model waits for. One row of x is multiplied by the blocks themselves; for more, some rows of the weight at a time become
// floats where the caches are near.
#include "block_formats.h"
#include "gemm_paths.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

// One row of x by one row of a weight, without floats in between: K numbers at `b` times x. `sums` has for each 256 of x eight
// zeros, then the sums over runs of 32, by which sub-offsets are multiplied.
template <typename F>
FILATURE_INLINE float dot_short(const uint8_t* b, const float* x, int64_t K, const F& f) {
  vf acc[4] = {};
  int64_t i = 0;
  for (; i + 4 * W <= K; i += 4 * W)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) acc[v] += f(shorts_at(b + 2 * (i + v * W))) * load(x + i + v * W);
  for (; i + W <= K; i += W) acc[0] += f(shorts_at(b + 2 * i)) * load(x + i);
  if (i < K) {
    uint8_t rest[2 * W] = {};
    std::memcpy(rest, b + 2 * i, 2 * (K - i));
    acc[0] += f(shorts_at(rest)) * load_part(x + i, K - i);
  }
  return sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

float dot_q8_0(const uint8_t* b, const float* x, const float*, int64_t K) {
  vf acc = {};
  for (int64_t k = 0; k < K; k += 32, b += 34) {
    vf t = {};
#pragma GCC unroll 8
    for (int i = 0; i < 32; i += W) t += to_float(signed_bytes_at(b + 2 + i)) * load(x + k + i);
    acc += t * half_at(b);
  }
  return sum(acc);
}

float dot_q4_0(const uint8_t* b, const float* x, const float*, int64_t K) {
  vf acc = {};
  for (int64_t k = 0; k < K; k += 32, b += 18) {
    vf t = {};
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += W) {
      const vi q = bytes_at(b + 2 + i);
      t += to_float((q & 15) - 8) * load(x + k + i) + to_float((q >> 4) - 8) * load(x + k + 16 + i);
    }
    acc += t * half_at(b);
  }
  return sum(acc);
}

template <bool fifths>
float dot_q4_k(const uint8_t* b, const float* x, const float* sums, int64_t K) {
  vf acc[2] = {}, offset = {};
  for (int64_t k = 0; k < K; k += 256, b += fifths ? 176 : 144, x += 256, sums += 16) {
    const Eighths eighths(b + 4);
    const uint8_t* halves = b + (fifths ? 48 : 16);
    const float d = half_at(b), dm = half_at(b + 2);
    alignas(64) float scales[16];
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += W) {
      const vf v = to_float(bytes_at(eighths.both + i));
      store(scales + i, v * d);
      if (i + W > 8) offset += v * load(sums + i) * dm;
    }
#pragma GCC unroll 4
    for (int sub = 0; sub < 8; sub += 2) {
      vf low = {}, high = {};
#pragma GCC unroll 8
      for (int i = 0; i < 32; i += W) {
        const vi q = bytes_at(halves + 16 * sub + i);
        vi l = q & 15, h = q >> 4;
        if (fifths) {
          const vi fifth = bytes_at(b + 16 + i);
          l |= ((fifth >> sub) & 1) << 4;
          h |= ((fifth >> (sub + 1)) & 1) << 4;
        }
        low += to_float(l) * load(x + 32 * sub + i);
        high += to_float(h) * load(x + 32 * sub + 32 + i);
      }
      acc[0] += low * scales[sub];
      acc[1] += high * scales[sub + 1];
    }
  }
  return sum(acc[0] + acc[1] - offset);
}

float dot_q6_k(const uint8_t* b, const float* x, const float*, int64_t K) {
  vf acc[4] = {};
  for (int64_t k = 0; k < K; k += 256, b += 210) {
    const float d = half_at(b + 208);
    for (int half = 0; half < 2; half++) {
      const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
      const float* xs = x + k + 128 * half;
#pragma GCC unroll 8
      for (int i = 0; i < 32; i += W) {
        const Quarters q(low, high, i);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++) {
          const int8_t s = static_cast<int8_t>(b[192 + 8 * half + 2 * run + i / 16]);
          acc[run] += to_float(q.at[run]) * load(xs + 32 * run + i) * (d * s);
        }
      }
    }
  }
  return sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

float dot_row(BlockFormat format, const uint8_t* b, const float* x, const float* sums, int64_t K) {
  switch (format) {
    case kBlockBf16: return dot_short(b, x, K, [](vi h) { return bits_to_float(h << 16); });
    case kBlockF16: return dot_short(b, x, K, [](vi h) { return half_to_float(h); });
    case kBlockQ8_0: return dot_q8_0(b, x, sums, K);
    case kBlockQ4_0: return dot_q4_0(b, x, sums, K);
    case kBlockQ4_K: return dot_q4_k<false>(b, x, sums, K);
    case kBlockQ5_K: return dot_q4_k<true>(b, x, sums, K);
    case kBlockQ6_K: return dot_q6_k(b, x, sums, K);
    case kBlockFormats: break;
  }
  return 0;
}

// A row of x: the weight is read once, in order, and nothing is written but y.
void one_row(const BlockLinear& p, int64_t row_bytes) {
  constexpr int64_t kSlice = 32;
  float* sums = scratch(kRows, blocks(p.K, 256) * 16);
  for (int64_t k = 0; k + 256 <= p.K; k += 256) {
    for (int run = 0; run < 8; run++) {
      vf t = {};
      for (int i = 0; i < 32; i += W) t += load(p.x + k + 32 * run + i);
      sums[k / 16 + run] = 0;
      sums[k / 16 + 8 + run] = sum(t);
    }
  }
  parallel_for(blocks(p.N, kSlice), [&](int64_t task) {
    const int64_t end = least((task + 1) * kSlice, p.N);
    for (int64_t j = task * kSlice; j < end; j++) p.y[j] = dot_row(p.format, p.weight + j * row_bytes, p.x, sums, p.K);
  });
}

}  // namespace

void block_linear(const BlockLinear& p) {
  if (p.M * p.N == 0) return;
  const BlockSize size = kBlockSizes[p.format];
  const int64_t row_bytes = p.K / size.elements * size.bytes;
  if (p.M == 1) return one_row(p, row_bytes);
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

}  // namespace FILATURE_ISA
}  // namespace filature
