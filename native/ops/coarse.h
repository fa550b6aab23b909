// The coarse pass of a search: which columns may be neighbours of a row at all, from 8-bit copies (kernels/coarse.h). Whatever it says
// costs time and nothing else: a pair that it lets pass, or never sees, is decided by the float32 arithmetic of the search.
#pragma once

#include <atomic>

#include "../api.h"
#include "workspace.h"

namespace hypersphere {

// Quantised columns: panels [⌈d / 4⌉][tile_cols][4].
struct CoarseSide {
  uint8_t* panels;
  CoarseRows about;  // readable up to a whole tile
  CoarseSide At(size_t col, size_t steps) const {
    return {panels + col * steps * 4, {about.steps + col, about.norms + col, about.errors + col, about.sums + col}};
  }
};

// Too few dimensions leave the pass no lead over the product, too many overflow its sums; galleries should outweigh what starts a search.
constexpr bool CoarsePays(size_t m, size_t d) { return m >= 4096 && d >= 32 && d <= 16384; }
constexpr size_t kCoarseTerms = 4;  // of a column, that depend on the rows
constexpr size_t CoarseSteps(size_t d) { return (d + 3) / 4; }
// Of one row, what `bytes` of QuantizeColumns must hold beside kMostPending.
constexpr size_t CoarseBytes(size_t d) { return CoarseSteps(d) * 4; }

// `count` rows into the panels of `to`; `bytes` is room for their whole numbers.
void QuantizeColumns(const KernelTable& kernels, const float* rows, size_t count, size_t d, uint8_t* bytes, const CoarseSide& to);

// The rows of a search, quantised, and how its metric bounds them.
class CoarsePass {
 public:
  CoarsePass(const KernelTable& kernels, Metric metric, size_t d) : kernels_(kernels), metric_(metric), d_(d) {}

  void Plan(Workspace& space, size_t row_block, size_t pending);
  void Place(const Workspace& space);

  // Panels [first, last) of `rows` rows; then, when all are there, what the columns need to know of them.
  void PackRows(const float* x, size_t rows, size_t first, size_t last);
  void FinishRows(size_t rows);
  // The bounds' part of `count` columns into terms[kCoarseTerms][padded].
  void ColumnTerms(const CoarseSide& columns, size_t count, size_t padded, float* terms) const;
  // One panel against such columns; returns how many of them are done.
  size_t Run(const CoarseSide& columns, const float* terms, size_t count, size_t padded, size_t rows, size_t panel, const CoarseRest& rest,
             const DistanceBlock& distances, const Selection& to);
  // Not, where too many columns pass again and again.
  bool Worthwhile() const;
  PendingColumns* pending() const { return pending_; }

 private:
  struct Places {
    size_t bytes, left, steps, norms, errors, sums, scales, lengths, terms, nears, pending;
  };
  float Slack() const;

  const KernelTable& kernels_;
  Metric metric_;
  size_t d_;
  Places places_{};
  uint8_t *bytes_ = nullptr, *left_ = nullptr;
  CoarseRows about_{};
  float *scales_ = nullptr, *lengths_ = nullptr, *terms_ = nullptr, *nears_ = nullptr;
  PendingColumns* pending_ = nullptr;
  float row_error_ = 0;
  std::atomic<size_t> tried_{0}, failed_{0};
};

}  // namespace hypersphere
