#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#endif

namespace filature {
namespace {

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Low bit: a job is open. Next 15: threads inside it. The rest: its number.
constexpr uint64_t kOpen = 1, kInside = 2, kInsideMask = 0xfffe, kGeneration = 1 << 16;
constexpr int kSpins = 20000;  // about 0.3 ms: longer than JavaScript takes from one kernel to the next

struct Pool {
  std::atomic<uint64_t> state{0};
  Task run = nullptr;
  void* context = nullptr;
  int64_t tasks = 0;
  int wanted = 0;  // workers that may join the open job
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<int> parked{0};
  std::atomic<bool> stop{false};
  std::mutex busy, park, sizing;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  int caller_core = -1;
  int users = 0;

  void work() {
    for (int64_t t; (t = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) run(context, t);
  }
};

Pool& pool() {
  static Pool* p = new Pool();  // never destroyed: worker threads may outlive static destruction
  return *p;
}

thread_local bool inside_job = false;
thread_local int limit = 1;

void worker(int index) {
  Pool& p = pool();
  inside_job = true;
  uint64_t seen = 0;
  for (int spins = 0; !p.stop.load(std::memory_order_relaxed);) {
    uint64_t s = p.state.load(std::memory_order_acquire);
    if ((s & kOpen) && s / kGeneration != seen) {
      if (!p.state.compare_exchange_weak(s, s + kInside, std::memory_order_acq_rel)) continue;
      seen = s / kGeneration;
      if (index < p.wanted) p.work();
      p.state.fetch_sub(kInside, std::memory_order_acq_rel);
      spins = 0;
    } else if (++spins < kSpins) {
      pause();
    } else {
      std::unique_lock<std::mutex> lock(p.park);
      p.parked.fetch_add(1);
      p.wake.wait(lock, [&] {
        const uint64_t now = p.state.load();
        return p.stop.load() || ((now & kOpen) && now / kGeneration != seen);
      });
      p.parked.fetch_sub(1);
      spins = 0;
    }
  }
}

// Some systems leave a worker on the core of the thread that wakes it while other cores idle. So workers are kept off the
// caller's core, wherever that is; among the others the system places them. The caller, a thread of the user's, is never
// bound.
#if defined(__linux__)
void keep_apart(Pool& p, int wanted) {
  const int here = sched_getcpu();
  if (here < 0 || here == p.caller_core) return;
  p.caller_core = here;
  cpu_set_t others;
  if (sched_getaffinity(0, sizeof others, &others) != 0) return;
  if (CPU_COUNT(&others) <= wanted) return;  // more threads than cores: the system knows better
  CPU_CLR(here, &others);
  for (auto& worker : p.workers) pthread_setaffinity_np(worker.native_handle(), sizeof others, &others);
}
#else
void keep_apart(Pool&, int) {}
#endif

void join_all(Pool& p) {
  {
    std::lock_guard<std::mutex> lock(p.park);
    p.stop = true;
  }
  p.wake.notify_all();
  for (auto& t : p.workers) t.join();
  p.workers.clear();
  p.caller_core = -1;
  p.stop = false;
}

struct Scratch {
  float* block[kScratchSlots] = {};
  size_t floats[kScratchSlots] = {};
  ~Scratch() {
    for (float* b : block) {
#if defined(_WIN32)
      _aligned_free(b);
#else
      free(b);
#endif
    }
  }
};
thread_local Scratch memory;

}  // namespace

void parallel(int64_t tasks, Task run, void* context) {
  Pool& p = pool();
  if (tasks <= 1 || limit <= 1 || inside_job || !p.busy.try_lock()) {
    for (int64_t t = 0; t < tasks; t++) run(context, t);
    return;
  }
  keep_apart(p, limit - 1);
  p.run = run;
  p.context = context;
  p.tasks = tasks;
  p.wanted = limit - 1;
  p.next.store(0, std::memory_order_relaxed);
  const uint64_t generation = (p.state.load(std::memory_order_relaxed) / kGeneration + 1) * kGeneration;
  p.state.store(generation | kOpen);
  if (p.parked.load() > 0) {
    { std::lock_guard<std::mutex> lock(p.park); }
    p.wake.notify_all();
  }
  inside_job = true;
  p.work();
  inside_job = false;
  p.state.fetch_sub(kOpen, std::memory_order_acq_rel);  // who has not come in by now is not waited for
  for (int spins = 0; p.state.load(std::memory_order_acquire) & kInsideMask;) {
    if (++spins < 4096) pause();
    else std::this_thread::yield();
  }
  p.busy.unlock();
}

int thread_limit() { return limit; }

void set_thread_limit(int threads) {
  Pool& p = pool();
  limit = threads < 1 ? 1 : threads > 1024 ? 1024 : threads;
  std::lock_guard<std::mutex> sizing(p.sizing);
  std::lock_guard<std::mutex> busy(p.busy);
  while (static_cast<int>(p.workers.size()) < limit - 1) {
    const int index = static_cast<int>(p.workers.size());
    p.workers.emplace_back(worker, index);
    p.caller_core = -1;
  }
}

void pool_retain() {
  std::lock_guard<std::mutex> lock(pool().sizing);
  pool().users++;
}

void pool_release() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.sizing);
  if (--p.users > 0) return;
  std::lock_guard<std::mutex> busy(p.busy);
  join_all(p);
}

float* scratch(ScratchSlot slot, size_t floats) {
  Scratch& m = memory;
  if (m.floats[slot] < floats) {
    const size_t bytes = (floats * sizeof(float) + 4095) / 4096 * 4096;
#if defined(_WIN32)
    _aligned_free(m.block[slot]);
    m.block[slot] = static_cast<float*>(_aligned_malloc(bytes, 64));
#else
    free(m.block[slot]);
    void* block = nullptr;
    if (posix_memalign(&block, bytes >= (2u << 20) ? 2u << 20 : 64, bytes)) block = nullptr;
    m.block[slot] = static_cast<float*>(block);
#endif
    m.floats[slot] = m.block[slot] ? bytes / sizeof(float) : 0;
    if (!m.block[slot]) abort();
  }
  return m.block[slot];
}

}  // namespace filature
