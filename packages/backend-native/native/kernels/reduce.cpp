// Sums, means, maxima and minima over rows or columns; softmax; the k largest.
#include <vector>

#include "kernels.h"
#include "rows.h"

namespace filature {
namespace FILATURE_ISA {
namespace {

template <bool Max>
float extreme(const float* x, int64_t n) {
  float best = Max ? -__builtin_inff() : __builtin_inff();
  vf m = splat(best);
  int64_t i = 0;
  vi nan = {};
  for (; i + W <= n; i += W) {
    const vf v = load(x + i);
    nan |= v != v;
    m = Max ? max(v, m) : min(v, m);
  }
  for (int k = 0; k < W; k++) {
    if (nan[k]) return __builtin_nanf("");
    best = (Max ? m[k] > best : m[k] < best) ? m[k] : best;
  }
  for (; i < n; i++) {
    if (x[i] != x[i]) return x[i];
    best = (Max ? x[i] > best : x[i] < best) ? x[i] : best;
  }
  return best;
}

}  // namespace

void reduce_rows(Reduction op, const float* x, float* y, int64_t rows, int64_t columns) {
  row_groups(rows, columns, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* row = x + r * columns;
      if (op == kMax) y[r] = extreme<true>(row, columns);
      else if (op == kMin) y[r] = extreme<false>(row, columns);
      else {
        const float s = sum_of(row, columns, [](vf v) { return v; });
        y[r] = op == kMean ? s / static_cast<float>(columns) : s;
      }
    }
  });
}

// x (batches, rows, columns) -> y (batches, columns)
void reduce_columns(Reduction op, const float* x, float* y, int64_t batches, int64_t rows, int64_t columns) {
  if (batches == 1 && (op == kSum || op == kMean) && rows * columns > 1 << 14) {
    summed_parts(rows, columns, columns, y, [&](int64_t r, int64_t end, float* sums) {
      for (; r < end; r++)
        along(columns, [&](int64_t c, int part) { put(sums, c, at(sums, c, part) + at(x + r * columns, c, part), part); });
    });
    const float scale = 1.0f / static_cast<float>(rows);
    for (int64_t c = 0; c < columns && op == kMean; c++) y[c] *= scale;
    return;
  }
  // A task has a slice of the columns of one batch.
  constexpr int64_t kSlice = 64;
  const int64_t slices = (columns + kSlice - 1) / kSlice;
  const auto task = [&](int64_t t) {
    const int64_t b = t / slices, j = t % slices * kSlice, width = columns - j < kSlice ? columns - j : kSlice;
    const float* from = x + b * rows * columns + j;
    alignas(64) float total[kSlice];
    const float start = op == kMax ? -__builtin_inff() : op == kMin ? __builtin_inff() : 0.0f;
    for (float& v : total) v = start;
    for (int64_t r = 0; r < rows; r++, from += columns) {
      if (op == kMax || op == kMin) {
        for (int64_t c = 0; c < width; c++) {
          const float v = from[c], m = total[c];
          total[c] = v != v || m != m ? v + m : (op == kMax ? v > m : v < m) ? v : m;
        }
      } else {
        int64_t c = 0;
        for (; c + W <= width; c += W) store(total + c, load(total + c) + load(from + c));
        for (; c < width; c++) total[c] += from[c];
      }
    }
    if (op == kMean)
      for (float& v : total) v /= static_cast<float>(rows);
    std::memcpy(y + b * columns + j, total, width * sizeof(float));
  };
  if (batches * rows * columns > 1 << 15) parallel_for(batches * slices, task);
  else for (int64_t t = 0; t < batches * slices; t++) task(t);
}

void softmax(const float* x, float* y, int64_t rows, int64_t columns, bool log) {
  row_groups(rows, columns, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* from = x + r * columns;
      float* to = y + r * columns;
      const float m = max_row(from, columns), shift = m == -__builtin_inff() ? 0.0f : m;
      const vf offset = splat(shift);
      if (log) {
        const float lse = shift + std::log(sum_of(from, columns, [=](vf v) { return exp(v - offset); }));
        int64_t i = 0;
        for (; i + W <= columns; i += W) store(to + i, load(from + i) - lse);
        for (; i < columns; i++) to[i] = from[i] - lse;
        continue;
      }
      vf total = {};
      int64_t i = 0;
      for (; i + W <= columns; i += W) {
        const vf e = exp(load(from + i) - offset);
        total += e;
        store(to + i, e);
      }
      float s = sum(total);
      for (; i < columns; i++) {
        to[i] = exp(splat(from[i] - shift))[0];
        s += to[i];
      }
      const float scale = 1.0f / s;
      for (i = 0; i + W <= columns; i += W) store(to + i, load(to + i) * scale);
      for (; i < columns; i++) to[i] *= scale;
    }
  });
}

// The k largest of each row, largest first; among equals the smaller index first; NaN above everything.
void top_k(const float* x, int64_t rows, int64_t columns, int64_t k, float* values, int32_t* indices) {
  const auto above = [](float a, int32_t i, float b, int32_t j) {
    const bool an = a != a, bn = b != b;
    if (an || bn) return an && bn ? i < j : an;
    return a > b || (a == b && i < j);
  };
  row_groups(rows, columns, [&](int64_t r, int64_t end) {
    for (; r < end; r++) {
      const float* row = x + r * columns;
      float* v = values + r * k;
      int32_t* at = indices + r * k;
      // A heap with its least entry at the root.
      const auto sink = [&](int64_t root, int64_t size) {
        const float value = v[root];
        const int32_t index = at[root];
        for (int64_t child; (child = 2 * root + 1) < size; root = child) {
          if (child + 1 < size && above(v[child], at[child], v[child + 1], at[child + 1])) child++;
          if (!above(value, index, v[child], at[child])) break;
          v[root] = v[child];
          at[root] = at[child];
        }
        v[root] = value;
        at[root] = index;
      };
      for (int64_t i = 0; i < k; i++) {
        v[i] = row[i];
        at[i] = static_cast<int32_t>(i);
      }
      for (int64_t i = k / 2 - 1; i >= 0; i--) sink(i, k);
      for (int64_t i = k; i < columns && k > 0; i++) {
        if (row[i] < v[0] || !above(row[i], static_cast<int32_t>(i), v[0], at[0])) continue;
        v[0] = row[i];
        at[0] = static_cast<int32_t>(i);
        sink(0, k);
      }
      for (int64_t size = k - 1; size > 0; size--) {
        const float value = v[0];
        const int32_t index = at[0];
        v[0] = v[size];
        at[0] = at[size];
        v[size] = value;
        at[size] = index;
        sink(0, size);
      }
    }
  });
}

double sum_squares(const float* x, int64_t n) {
  constexpr int64_t kPart = 1 << 14;
  const int64_t parts = (n + kPart - 1) / kPart;
  const auto part = [=](int64_t p) {
    const int64_t first = p * kPart;
    return sum_of(x + first, n - first < kPart ? n - first : kPart, [](vf v) { return v * v; });
  };
  if (parts == 1) return part(0);
  std::vector<float> sums(parts);
  parallel_for(parts, [&](int64_t p) { sums[p] = part(p); });
  double total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace FILATURE_ISA
}  // namespace filature
