// Sums over rows of floats. Long sums are taken in blocks, so that their error grows with the logarithm of the length.
#pragma once
#include "math.h"

/** Loads the vector at i of a row of n, zeros beyond the end. */
INLINE vf vrow(const float *x, int i, int n) { return i + 4 <= n ? vload(x + i) : vload_part(x + i, n - i, 0); }

INLINE void vput(float *y, int i, int n, vf v) {
  if (i + 4 <= n) vstore(y + i, v);
  else vstore_part(y + i, v, n - i);
}

#define ROW_BLOCK 1024

/** Sum of n floats. */
INLINE double row_sum(const float *x, int n) {
  double total = 0;
  for (int from = 0; from < n; from += ROW_BLOCK) {
    int to = imin(n, from + ROW_BLOCK), i = from;
    vf a = vset(0), b = a;
    for (; i + 8 <= to; i += 8) a = vadd(a, vload(x + i)), b = vadd(b, vload(x + i + 4));
    for (; i < to; i += 4) a = vadd(a, vrow(x, i, to));
    total += vsum(vadd(a, b));
  }
  return total;
}
