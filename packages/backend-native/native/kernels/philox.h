// Philox4x32-10 (Salmon et al., 2011), W counters at a time.
#pragma once
#include "../simd.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {

typedef uint32_t vu __attribute__((vector_size(FILATURE_W * 4)));
typedef uint64_t vu64 __attribute__((vector_size(FILATURE_W * 4)));
typedef uint32_t vu_any __attribute__((vector_size(FILATURE_W * 4), aligned(4), may_alias));

// high and low words of m * x
FILATURE_INLINE void multiply(uint32_t m, vu x, vu& high, vu& low) {
  const vu64 pairs = (vu64)x;
  const vu64 even = (pairs & 0xffffffffu) * static_cast<uint64_t>(m), odd = (pairs >> 32) * static_cast<uint64_t>(m);
  high = (vu)((even >> 32) | (odd & 0xffffffff00000000u));
  low = (vu)((even & 0xffffffffu) | (odd << 32));
}

// Words 4 * block .. 4 * (block + W) - 1 of the stream, in order; block must stay below 2^32 - W.
FILATURE_INLINE void philox(const Philox& p, uint32_t block, uint32_t* words) {
  vu index;
  for (int i = 0; i < W; i++) index[i] = i;
  vu c0 = index + block, c1 = {}, c2 = vu{} + p.counter[0], c3 = vu{} + p.counter[1];
  uint32_t k0 = p.key[0], k1 = p.key[1];
#pragma GCC unroll 10
  for (int round = 0; round < 10; round++) {
    vu h0, l0, h1, l1;
    multiply(0xD2511F53u, c0, h0, l0);
    multiply(0xCD9E8D57u, c2, h1, l1);
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < W; i++) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

// Calls f(i, words, count) for stretches of the n words from `first` on: words[0..count) belong to i, i+1, ...
template <typename F>
FILATURE_INLINE void philox_stretches(const Philox& p, int64_t first, int64_t n, const F& f) {
  alignas(64) uint32_t words[4 * W];
  for (int64_t i = 0; i < n;) {
    const int64_t e = first + i, skip = e % 4;
    philox(p, static_cast<uint32_t>(e / 4), words);
    const int64_t count = 4 * W - skip < n - i ? 4 * W - skip : n - i;
    f(i, words + skip, count);
    i += count;
  }
}

}  // namespace FILATURE_ISA
}  // namespace filature
