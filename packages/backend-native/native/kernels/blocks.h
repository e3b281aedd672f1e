// Weights held in fewer bits: 16-bit floats, and the blocks of GGUF files. A block is a number of elements in a number of bytes;
// the layouts are those of the decoders in @filature/checkpoint (gguf), which are the specification.
#pragma once
#include <cstdint>

namespace filature {

enum BlockFormat { kBlockBf16, kBlockF16, kBlockQ8_0, kBlockQ4_0, kBlockQ4_K, kBlockQ5_K, kBlockQ6_K, kBlockFormats };

struct BlockSize {
  int64_t elements, bytes;
};
constexpr BlockSize kBlockSizes[kBlockFormats] = {{1, 2}, {1, 2}, {32, 34}, {32, 18}, {256, 144}, {256, 176}, {256, 210}};

// y (M, N) = x (M, K) weight^T; row n of the weight is K / elements blocks at weight + n * K / elements * bytes.
struct BlockLinear {
  BlockFormat format;
  int64_t M, N, K;
  const float* x;
  const uint8_t* weight;
  float* y;
};

}  // namespace filature
