// What every kernel stands on: vectors of four floats, the context of a call, fork and join.
#pragma once
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name))) name
#define INLINE static inline __attribute__((always_inline))

typedef v128_t vf;

INLINE vf vload(const float *p) { return wasm_v128_load(p); }
INLINE void vstore(float *p, vf v) { wasm_v128_store(p, v); }
INLINE vf vset(float x) { return wasm_f32x4_splat(x); }
INLINE vf vadd(vf a, vf b) { return wasm_f32x4_add(a, b); }
INLINE vf vsub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
INLINE vf vmul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
INLINE vf vdiv(vf a, vf b) { return wasm_f32x4_div(a, b); }
INLINE vf vselect(vf mask, vf yes, vf no) { return wasm_v128_bitselect(yes, no, mask); }
// the larger, NaN if either is
INLINE vf vmax(vf a, vf b) { return wasm_f32x4_max(a, b); }

/** a b + c, rounded once where the instruction set has it */
INLINE vf vfma(vf a, vf b, vf c) {
#ifdef RELAXED
  return wasm_f32x4_relaxed_madd(a, b, c);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

INLINE float vsum(vf v) {
  vf pairs = vadd(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  return wasm_f32x4_extract_lane(pairs, 0) + wasm_f32x4_extract_lane(pairs, 1);
}

INLINE float vmaxlane(vf v) {
  vf pairs = vmax(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  float a = wasm_f32x4_extract_lane(pairs, 0), b = wasm_f32x4_extract_lane(pairs, 1);
  return a > b || a != a ? a : b;
}

/** The first n < 4 floats at p; the other lanes are `rest`. */
INLINE vf vload_part(const float *p, int n, float rest) {
  vf v = vset(rest);
  v = wasm_f32x4_replace_lane(v, 0, p[0]);
  if (n > 1) v = wasm_f32x4_replace_lane(v, 1, p[1]);
  if (n > 2) v = wasm_f32x4_replace_lane(v, 2, p[2]);
  return v;
}

INLINE void vstore_part(float *p, vf v, int n) {
  p[0] = wasm_f32x4_extract_lane(v, 0);
  if (n > 1) p[1] = wasm_f32x4_extract_lane(v, 1);
  if (n > 2) p[2] = wasm_f32x4_extract_lane(v, 2);
}

INLINE int imin(int a, int b) { return a < b ? a : b; }
INLINE int imax(int a, int b) { return a > b ? a : b; }

#define MAX_THREADS 64

/** One for the engine's memory; the host fills threads, scratch and scratch_bytes. */
typedef struct {
  int32_t threads;        // the calling thread among them
  int32_t scratch_bytes;  // of each thread
  float *scratch[MAX_THREADS];
  // the pool
  int32_t wake;      // counts forks; workers sleep on it
  int32_t stop;      // workers leave when set
  uint64_t ticket;   // number of tasks (upper bits), next task (lower 20)
  int32_t finished;  // tasks of this fork that are done
  int32_t spin;      // rounds a worker looks before it sleeps
  void (*run)(const void *args, int task, float *scratch);
  const void *args;
} Context;

typedef void (*Task)(const void *args, int task, float *scratch);

/** Runs run(args, 0 .. tasks-1, scratch of the thread) on all threads and returns when every task is done. */
void fork_join(Context *ctx, Task run, const void *args, int tasks);

/** How many tasks a job of `work` elementary steps (about a nanosecond each) deserves, at most `most`. */
INLINE int tasks_for(const Context *ctx, double work, int most) {
  if (ctx->threads == 1 || work < 60000) return 1;
  int wanted = work < 400000 ? ctx->threads : ctx->threads * 4;
  return imax(1, imin(wanted, most));
}

/** First item of a task when n items are dealt to `tasks` tasks in order. */
INLINE int share(int n, int tasks, int task) { return (int)((int64_t)n * task / tasks); }
