// Asked of the processor itself: the compilers' own functions for it want a library that not every linker brings (Windows).
#include "processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif

namespace filature {
namespace {

#if defined(__x86_64__)
// Leaf and register numbers as in Intel's Software Developer's Manual, volume 2, CPUID.
struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
  Leaf(unsigned leaf, unsigned sub) {
    if (!__get_cpuid_count(leaf, sub, &a, &b, &c, &d)) a = b = c = d = 0;
  }
};
constexpr bool bit(unsigned word, int i) { return word >> i & 1; }

// The registers that the system saves: 1 and 2 are XMM and YMM, 5 to 7 the masks and ZMM.
uint32_t saved_registers() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

Processor ask() {
  Processor p;
  const Leaf features(1, 0), more(7, 0), newer(7, 1);
  if (!bit(features.c, 27) || !bit(features.c, 28)) return p;  // XGETBV, AVX
  const uint32_t saved = saved_registers();
  p.avx2 = (saved & 0x06) == 0x06 && bit(more.b, 5) && bit(features.c, 12);
  p.avx512 = p.avx2 && (saved & 0xe0) == 0xe0 && bit(more.b, 16) && bit(more.b, 17) && bit(more.b, 30) && bit(more.b, 31);
  p.avx512_bf16 = p.avx512 && more.a >= 1 && bit(newer.a, 5);
  return p;
}
#else
Processor ask() { return {}; }
#endif

}  // namespace

const Processor& processor() {
  static const Processor p = ask();
  return p;
}

}  // namespace filature
