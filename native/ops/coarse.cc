// The bound. With x = sₓ·qₓ + eₓ, y likewise, and I = qₓ·q_y, Cauchy and Schwarz give
//   |x·y − sₓ·s_y·I| ≤ ‖x‖‖e_y‖ + ‖eₓ‖‖y − e_y‖ ≤ ‖x‖‖y‖·r,   r = r_y + rₓ·(1 + r_y),   r = ‖e‖/‖·‖,
// where rₓ is the largest of the rows at hand. ‖x‖² + ‖y‖² − 2·(sₓ·s_y·I + ‖x‖‖y‖·r) is then no greater than the squared distance, with −‖x‖‖y‖·r it
// is no less, for a search beyond some distance, and the cosines and the dot go likewise. What float32 makes of a pair differs from the truth by its own rounding: at most (2d + 3)·u·s for the expansion,
// s = ‖x‖² + ‖y‖², and (4d + 32)·u of itself, so of 2s, for a refined one (kernels/nearest.h); the bound's own evaluation takes a few u·s. All
// are covered by Slack()·s, or Slack()·‖x‖‖y‖ for the products. Norms are rounded by less than that, ‖e‖ by less than kCoarseMargin.
#include "coarse.h"

#include <math.h>

#include "blocks.h"

namespace hypersphere {
namespace {

// From one column in so many on that pass, the product is the cheaper way.
constexpr size_t kMostPassing = 16;
constexpr size_t kTrials = 64;

bool IsSquared(Metric metric) { return metric == Metric::kSquaredEuclidean || metric == Metric::kEuclidean; }

}  // namespace

void QuantizeColumns(const KernelTable& kernels, const float* rows, size_t count, size_t d, uint8_t* bytes, const CoarseSide& to) {
  kernels.coarse->quantize(rows, count, d, false, bytes, to.about);
  const size_t steps = CoarseSteps(d);
  // Four bytes move as one float does.
  kernels.pack_right({reinterpret_cast<const float*>(bytes), steps, 1}, count, steps, reinterpret_cast<float*>(to.panels));
}

void CoarsePass::Plan(Workspace& space, size_t row_block, size_t pending) {
  const size_t bytes = CoarseBytes(d_);
  places_ = {space.Add<uint8_t>(row_block * bytes + kMostPending),
             space.Add<uint8_t>(DivideUp(row_block, kernels_.tile_rows) * kernels_.left_width * bytes),
             space.Add<float>(row_block),
             space.Add<float>(row_block),
             space.Add<float>(row_block),
             space.Add<int32_t>(row_block),
             space.Add<float>(row_block),
             space.Add<float>(row_block),
             space.Add<float>(row_block),
             space.Add<float>(row_block),
             space.Add<PendingColumns>(pending)};
}

void CoarsePass::Place(const Workspace& space) {
  bytes_ = space.At<uint8_t>(places_.bytes);
  left_ = space.At<uint8_t>(places_.left);
  about_ = {space.At<float>(places_.steps), space.At<float>(places_.norms), space.At<float>(places_.errors), space.At<int32_t>(places_.sums)};
  scales_ = space.At<float>(places_.scales);
  lengths_ = space.At<float>(places_.lengths);
  terms_ = space.At<float>(places_.terms);
  nears_ = space.At<float>(places_.nears);
  pending_ = space.At<PendingColumns>(places_.pending);
}

float CoarsePass::Slack() const { return (8 * static_cast<float>(d_) + 128) * (1.25f * 0x1p-24f); }

void CoarsePass::PackRows(const float* x, size_t rows, size_t first, size_t last) {
  const size_t steps = CoarseSteps(d_);
  // Panel by panel: each row's bytes may run a little into those of the next, which another thread may have written.
  for (size_t p = first; p < last; p++) {
    const size_t start = kernels_.panel_start(rows, p), count = kernels_.panel_start(rows, p + 1) - start;
    uint8_t row[CoarseBytes(16384) + kMostPending];
    for (size_t i = start; i < start + count; i++) {
      const CoarseRows about{about_.steps + i, about_.norms + i, about_.errors + i, about_.sums + i};
      kernels_.coarse->quantize(x + i * d_, 1, d_, true, row, about);
      __builtin_memcpy(bytes_ + i * steps * 4, row, steps * 4);
    }
  }
  kernels_.pack_left({reinterpret_cast<const float*>(bytes_), steps, 1}, rows, steps, first, last, reinterpret_cast<float*>(left_));
}

void CoarsePass::FinishRows(size_t rows) {
  row_error_ = 0;
  for (size_t i = 0; i < rows; i++) {
    const float norm = about_.norms[i];
    const bool cosine = metric_ == Metric::kCosineSimilarity || metric_ == Metric::kCosineDistance;
    if (about_.errors[i] > row_error_) row_error_ = about_.errors[i];
    scales_[i] = cosine ? about_.steps[i] / norm : about_.steps[i];
    lengths_[i] = cosine ? norm / norm : norm;
    const float base = IsSquared(metric_) ? (1 - Slack()) * norm * norm : metric_ == Metric::kCosineDistance ? 1 : 0;
    terms_[i] = norm == norm ? base : NAN;
    nears_[i] = IsSquared(metric_) ? (1 + Slack()) * norm * norm : terms_[i];
  }
}

void CoarsePass::ColumnTerms(const CoarseSide& columns, size_t count, size_t padded, float* terms) const {
  const float slack = Slack(), row_error = row_error_;
  const CoarseRows& about = columns.about;
  float *const scales = terms, *const errors = terms + padded, *const rest = errors + padded, *const nears = rest + padded;
  if (IsSquared(metric_)) {
    for (size_t j = 0; j < count; j++) {
      const float norm = about.norms[j], r = about.errors[j] + row_error * (1 + about.errors[j]);
      scales[j] = 2 * about.steps[j];
      errors[j] = 2 * kCoarseMargin * norm * r;
      rest[j] = (slack - 1) * norm * norm;
      nears[j] = (-1 - slack) * norm * norm;
    }
  } else {
    const bool cosine = metric_ != Metric::kDot;
    for (size_t j = 0; j < count; j++) {
      const float norm = about.norms[j], r = about.errors[j] + row_error * (1 + about.errors[j]);
      scales[j] = cosine ? about.steps[j] / norm : about.steps[j];
      errors[j] = (cosine ? norm / norm : norm) * kCoarseMargin * (r + slack);
      rest[j] = nears[j] = 0;
    }
  }
  for (size_t j = count; j < padded; j++) {
    scales[j] = errors[j] = 0;
    rest[j] = nears[j] = -INFINITY;
  }
}

size_t CoarsePass::Run(const CoarseSide& columns, const float* terms, size_t count, size_t padded, size_t rows, size_t panel,
                       const CoarseRest& rest, const DistanceBlock& distances, const Selection& to) {
  const size_t first = kernels_.panel_start(rows, panel), panel_rows = kernels_.panel_start(rows, panel + 1) - first;
  CoarseBlock block{};
  block.left = left_ + panel * CoarseBytes(d_) * kernels_.left_width;
  block.right = columns.panels;
  block.row_scales = scales_ + first;
  block.row_norms = lengths_ + first;
  block.row_terms = terms_ + first;
  block.row_nears = nears_ + first;
  block.col_scales = terms;
  block.col_errors = terms + padded;
  block.col_terms = terms + 2 * padded;
  block.col_nears = terms + 3 * padded;
  block.col_sums = columns.about.sums;
  // The bound of a squared distance is rounded in the difference with the row's term.
  block.limit_scale = IsSquared(metric_) ? 1 + 0x1p-21f : 1;
  block.beyond_scale = IsSquared(metric_) ? 1 - 0x1p-21f : 1;
  block.steps = CoarseSteps(d_);
  block.first_row = first;
  block.rows = panel_rows;
  block.cols = count;
  block.most = panel_rows * count / kMostPassing;
  const size_t done = kernels_.coarse->columns(block, rest, distances, to);
  tried_.fetch_add(1, std::memory_order_relaxed);
  if (done < count) failed_.fetch_add(1, std::memory_order_relaxed);
  return done;
}

bool CoarsePass::Worthwhile() const {
  const size_t tried = tried_.load(std::memory_order_relaxed);
  return tried < kTrials || failed_.load(std::memory_order_relaxed) * 2 < tried;
}

}  // namespace hypersphere
