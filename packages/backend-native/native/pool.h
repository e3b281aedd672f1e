// Threads: one small pool for the process, a limit for each JavaScript thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace filature {

using Task = void (*)(void* context, int64_t task);

// Runs task 0..tasks-1, on at most thread_limit() threads, and returns when all are done. Tasks are handed out one at a
// time, so that a thread the system has put aside delays nobody; results must not depend on who runs what. Called inside
// a task, or while another JavaScript thread holds the pool, it runs everything on the caller: no oversubscription.
void parallel(int64_t tasks, Task run, void* context);

int thread_limit();
void set_thread_limit(int threads);  // for the calling JavaScript thread; the pool grows to the largest limit

int available_cores();               // physical ones that this process may use, within a container's share

void pool_retain();                  // one for each JavaScript environment; the last release joins the threads
void pool_release();

// Memory of the calling thread that stays between calls, 64-byte aligned; slots are independent of each other.
enum ScratchSlot { kPackA, kPackB, kTile, kRows, kExtra, kSums, kScratchSlots };
float* scratch(ScratchSlot slot, size_t floats);

// parallel() for a callable.
template <typename F>
inline void parallel_for(int64_t tasks, const F& body) {
  parallel(tasks, [](void* context, int64_t task) { (*static_cast<const F*>(context))(task); },
           const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace filature
