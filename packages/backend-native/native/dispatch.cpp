// Which instruction set runs, chosen when the addon is loaded.
#include <atomic>
#include <cstring>

#include "kernels/kernels.h"
#include "processor.h"

namespace filature {
namespace baseline {
extern const Table table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Table table;
}
namespace avx512 {
extern const Table table;
}
#endif

namespace {
struct Choice {
  const Table* table;
  bool runs;
};
const Choice* choices(int* count) {
#if defined(__x86_64__)
  static const Choice all[] = {
      {&avx512::table, processor().avx512}, {&avx2::table, processor().avx2}, {&baseline::table, true}};
#else
  static const Choice all[] = {{&baseline::table, true}};
#endif
  *count = sizeof all / sizeof all[0];
  return all;
}
std::atomic<const Table*> chosen{nullptr};
}  // namespace

bool choose_kernels(const char* isa) {
  int count;
  const Choice* all = choices(&count);
  for (int i = 0; i < count; i++)
    if (all[i].runs && (!std::strcmp(isa, "auto") || !std::strcmp(isa, all[i].table->isa))) {
      chosen = all[i].table;
      return true;
    }
  return false;
}

const Table& kernels() { return *chosen.load(std::memory_order_relaxed); }

const char* available_kernels() {
  static char names[64] = "";
  if (!names[0]) {
    int count;
    const Choice* all = choices(&count);
    for (int i = 0; i < count; i++)
      if (all[i].runs) {
        if (names[0]) std::strcat(names, " ");
        std::strcat(names, all[i].table->isa);
      }
  }
  return names;
}

}  // namespace filature
