// Products of bfloat16 numbers, summed in float32: operands are rounded when they are packed.
#pragma once
#include "micro_rows.h"

namespace filature {
namespace FILATURE_ISA {

// Whether pairs are multiplied: where the processor has the instruction and it is faster than two on floats, measured once.
bool bf16_pairs_pay();

// Rounds a packed panel of n floats to bfloat16, to the nearest, ties to even; they stay floats.
void round_bf16(float* panel, int64_t n);

// The same, and joins rows 2k and 2k + 1 (P entries each) into row k of pairs.
void pair_bf16(float* panel, int64_t P, int64_t K);

// A row of K floats rounded, in pairs.
void pair_row_bf16(float* to, const float* x, int64_t K);

// As Micro on packed panels of pairs, K rows of them. Only where bf16_pairs_pay().
Micro bf16_micro(int rows, int vectors);
// The same with rows of A read where they lie.
RowMicro bf16_row_micro(int rows, int vectors);

}  // namespace FILATURE_ISA
}  // namespace filature
