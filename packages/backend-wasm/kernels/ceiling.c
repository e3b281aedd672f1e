// What the multipliers can do at most: multiply-adds in registers, in as many chains as hide their latency.
#include "base.h"

// with the two numbers they fill the registers that an engine gives away
#ifdef RELAXED
#define CHAINS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)
#define COUNT 10
#else
#define CHAINS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define COUNT 12
#endif

typedef struct {
  float x, y;
  int rounds;
} Chains;

static void chains(const void *args, int task, float *scratch) {
  const Chains *s = args;
  vf x = vset(s->x), y = vset(s->y), all = vset(0);
#define BEGIN(i) vf s##i = vset(0);
#define ROUND(i) s##i = vfma(s##i, x, y);
#define TOTAL(i) all = vadd(all, s##i);
  CHAINS(BEGIN)
#pragma clang loop unroll(disable)
  for (int k = 0; k < s->rounds; k++) {
    CHAINS(ROUND)
  }
  CHAINS(TOTAL)
  vstore(scratch, all);
}

/** x and y are what is multiplied by and added. Returns the floating-point operations of a round, over all threads. */
int EXPORT(multiply_adds)(Context *ctx, float x, float y, int rounds) {
  Chains s = {x, y, rounds};
  fork_join(ctx, chains, &s, ctx->threads);
  return 8 * COUNT * ctx->threads;
}
