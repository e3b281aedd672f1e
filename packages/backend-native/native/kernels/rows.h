// Work on rows, in groups that are worth a task.
#pragma once
#include "../pool.h"
#include "../simd.h"

namespace filature {
namespace FILATURE_ISA {

// body(first, end) over rows of `columns` floats; the groups depend on the sizes only, not on the threads.
template <typename F>
void row_groups(int64_t rows, int64_t columns, const F& body) {
  constexpr int64_t kFloats = 1 << 14;
  if (rows * columns <= 2 * kFloats) return body(int64_t{0}, rows);
  int64_t group = kFloats / (columns > 0 ? columns : 1);
  if (group < 1) group = 1;
  const int64_t parts = (rows + group - 1) / group;
  parallel_for(parts, [&](int64_t p) { body(p * group, (p + 1) * group < rows ? (p + 1) * group : rows); });
}

// Rows in at most kParts parts, each with sums of its own, which are then added in order.
constexpr int64_t kParts = 32;
FILATURE_INLINE int64_t part_count(int64_t rows, int64_t columns) {
  const int64_t parts = rows * columns >> 14;
  return parts < 1 ? 1 : parts > kParts ? kParts : parts;
}

// Sum, maximum or minimum of f over n floats at x, by four chains.
template <typename F>
FILATURE_INLINE float sum_of(const float* x, int64_t n, const F& f) {
  vf a = {}, b = {}, c = {}, d = {};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a += f(load(x + i));
    b += f(load(x + i + W));
    c += f(load(x + i + 2 * W));
    d += f(load(x + i + 3 * W));
  }
  for (; i + W <= n; i += W) a += f(load(x + i));
  float s = sum((a + b) + (c + d));
  for (; i < n; i++) s += f(splat(x[i]))[0];
  return s;
}

FILATURE_INLINE float max_row(const float* x, int64_t n) {
  vf m = splat(-__builtin_inff());
  int64_t i = 0;
  for (; i + W <= n; i += W) m = max(load(x + i), m);
  float best = max_of(m);
  for (; i < n; i++) best = x[i] > best ? x[i] : best;
  return best;
}

// f(column, part): part is W, or what is left at the end of the row.
template <typename F>
FILATURE_INLINE void along(int64_t columns, const F& f) {
  int64_t c = 0;
  for (; c + W <= columns; c += W) f(c, W);
  if (c < columns) f(c, static_cast<int>(columns - c));
}
FILATURE_INLINE vf at(const float* p, int64_t i, int part) { return part == W ? load(p + i) : load_part(p + i, part); }
FILATURE_INLINE void put(float* p, int64_t i, vf v, int part) { part == W ? store(p + i, v) : store_part(p + i, v, part); }

// Runs body(first row, end row, sums of this part) and adds the parts' sums, `width` floats, into total.
template <typename F>
inline void summed_parts(int64_t rows, int64_t columns, int64_t width, float* total, const F& body) {
  const int64_t parts = part_count(rows, columns), each = (rows + parts - 1) / parts;
  float* sums = scratch(kSums, parts * width + 1);
  std::memset(sums, 0, parts * width * sizeof(float));
  const auto part = [&](int64_t p) {
    body(p * each, (p + 1) * each < rows ? (p + 1) * each : rows, sums + p * width);
  };
  if (parts > 1) parallel_for(parts, part);
  else part(0);
  for (int64_t p = 1; p < parts; p++)
    along(width, [&](int64_t c, int n) { put(sums, c, at(sums, c, n) + at(sums + p * width, c, n), n); });
  std::memcpy(total, sums, width * sizeof(float));
}

}  // namespace FILATURE_ISA
}  // namespace filature
