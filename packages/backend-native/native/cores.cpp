// How many cores this process may compute on.
#include <cstdio>
#include <set>
#include <thread>
#include <utility>

#include "pool.h"

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace filature {
namespace {

#if defined(__linux__)
// One number from a file of the kernel's, or -1.
long number_in(const char* path) {
  long value = -1;
  if (FILE* file = std::fopen(path, "r")) {
    if (std::fscanf(file, "%ld", &value) != 1) value = -1;
    std::fclose(file);
  }
  return value;
}

// Cores and not their threads: two threads of a core share its multipliers.
int allowed_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  std::set<std::pair<long, long>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &set)) continue;
    char path[96];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
    const long package = number_in(path);
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    const long core = number_in(path);
    cores.insert(core < 0 ? std::pair<long, long>{-1, cpu} : std::pair<long, long>{package, core});
  }
  return static_cast<int>(cores.size());
}

// A container's share of processor time, rounded up; 0 where there is no limit.
int quota() {
  long limit = -1, period = -1;
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%ld %ld", &limit, &period) != 2) limit = -1;
    std::fclose(file);
  } else {
    limit = number_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    period = number_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  }
  return limit > 0 && period > 0 ? static_cast<int>((limit + period - 1) / period) : 0;
}
#endif

}  // namespace

int available_cores() {
#if defined(__linux__)
  const int cores = allowed_cores(), share = quota();
  if (cores > 0) return share > 0 && share < cores ? share : cores;
#elif defined(__APPLE__)
  // the fast cores where there are two kinds
  for (const char* name : {"hw.perflevel0.physicalcpu", "hw.physicalcpu"}) {
    int cores = 0;
    size_t size = sizeof cores;
    if (sysctlbyname(name, &cores, &size, nullptr, 0) == 0 && cores > 0) return cores;
  }
#endif
  const unsigned threads = std::thread::hardware_concurrency();
  return threads ? static_cast<int>(threads) : 1;
}

}  // namespace filature
