// What the multipliers can do at most: multiply-adds in registers, in as many chains as hide their latency.
#include "../pool.h"
#include "../simd.h"
#include "kernels.h"

namespace filature {
namespace FILATURE_ISA {

// Floating-point operations done, `rounds` of them in each chain of each thread.
double multiply_adds(int64_t rounds) {
  constexpr int kChains = 12;
  const auto chains = [rounds](int64_t) {
    vf x = splat(1.0f), y = splat(0x1p-30f), sums[kChains] = {};
    asm volatile("" : "+m"(x), "+m"(y));  // numbers that the compiler does not know
    for (int64_t k = 0; k < rounds; k++)
#pragma GCC unroll 12
      for (int i = 0; i < kChains; i++) sums[i] = sums[i] * x + y;
    asm volatile("" : : "m"(sums));
  };
  const int threads = thread_limit();
  parallel_for(threads, chains);
  return 2.0 * W * kChains * static_cast<double>(rounds) * threads;
}

}  // namespace FILATURE_ISA
}  // namespace filature
