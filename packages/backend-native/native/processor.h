// What the processor computes with, and the system saves when it changes threads.
#pragma once

namespace filature {

struct Processor {
  bool avx2 = false;         // with FMA
  bool avx512 = false;       // F, VL, DQ and BW
  bool avx512_bf16 = false;
};

const Processor& processor();

}  // namespace filature
