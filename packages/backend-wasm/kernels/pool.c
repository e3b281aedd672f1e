// Fork and join on shared memory. A fork publishes one 64-bit ticket; a thread that draws a task number below the
// number of tasks owns that task, and the fork cannot end before it is done, so run and args stay as they are.
#include "base.h"

#define TASK_BITS 20
#define TASK_MASK ((1u << TASK_BITS) - 1)

static void work_through(Context *ctx, int thread) {
  for (;;) {
    uint64_t mine = __atomic_fetch_add(&ctx->ticket, 1, __ATOMIC_SEQ_CST);
    int task = (int)(mine & TASK_MASK), tasks = (int)(mine >> TASK_BITS);
    if (task >= tasks) return;
    ctx->run(ctx->args, task, ctx->scratch[thread]);
    __atomic_fetch_add(&ctx->finished, 1, __ATOMIC_SEQ_CST);
  }
}

void fork_join(Context *ctx, Task run, const void *args, int tasks) {
  // far below the field's end, so that the draws of late threads cannot run over into it
  int fits = tasks < 1 << (TASK_BITS - 1);
  if (ctx->threads == 1 || tasks == 1 || !fits) {
    for (int task = 0; task < tasks; task++) run(args, task, ctx->scratch[0]);
    return;
  }
  ctx->run = run;
  ctx->args = args;
  __atomic_store_n(&ctx->finished, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&ctx->ticket, (uint64_t)tasks << TASK_BITS, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&ctx->wake, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify(&ctx->wake, imin(ctx->threads, tasks) - 1);
  work_through(ctx, 0);
  while (__atomic_load_n(&ctx->finished, __ATOMIC_SEQ_CST) != tasks) {
  }
}

/** The life of a worker. */
void EXPORT(pool_worker)(Context *ctx, int thread) {
  int32_t seen = 0;
  for (;;) {
    int32_t now = __atomic_load_n(&ctx->wake, __ATOMIC_SEQ_CST);
    for (int i = 0; now == seen && i < ctx->spin; i++) now = __atomic_load_n(&ctx->wake, __ATOMIC_SEQ_CST);
    if (now == seen) {
      __builtin_wasm_memory_atomic_wait32(&ctx->wake, seen, -1);
      continue;
    }
    seen = now;
    if (__atomic_load_n(&ctx->stop, __ATOMIC_SEQ_CST)) return;
    work_through(ctx, thread);
  }
}

void EXPORT(pool_stop)(Context *ctx) {
  __atomic_store_n(&ctx->stop, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&ctx->wake, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify(&ctx->wake, MAX_THREADS);
}

int EXPORT(context_bytes)(void) { return sizeof(Context); }
