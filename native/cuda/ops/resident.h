// Rows that stay on the device: a head's weights, and beside each number the one that its optimizer keeps, or the centers of classes. What an
// op needs of them it reads and writes there; a batch, its labels and its results cross, and no row.
#pragma once

#include "../../api.h"
#include "../args.h"
#include "../context.h"

namespace hypersphere {
namespace cuda {

class ResidentRows {
 public:
  const size_t count, d;
  const bool half;      // bfloat16, the state too
  const bool stateful;

  ResidentRows(size_t rows, size_t dim, bool in_half, bool with_state) : count(rows), d(dim), half(in_half), stateful(with_state) {}

  // Takes the memory and fills it from the host's rows and state.
  Status Keep(const void* rows, const void* state) noexcept;
  // All rows anew; all rows, all of the state, or both to the host.
  Status Write(const void* rows) noexcept;
  Status Read(void* rows, void* state) const noexcept;

  // Ops on these rows: weights and state, centers, y [op.m, d] from row `first` on and the gallery are not taken from the op.
  Status MarginSoftmax(const MarginSoftmaxOp& op, Precision precision) noexcept;
  Status CenterLoss(const CenterLossOp& op) const noexcept;
  Status UpdateCenters(const UpdateCentersOp& op) noexcept;
  Status Distances(const DistancesOp& op, size_t first, Precision precision) const noexcept;
  Status Nearest(const NearestOp& op) const noexcept;

  // All of them, on the device.
  KeptRows Rows() const { return {rows_, half_rows_, nullptr, 0, count, 1, d}; }
  KeptRows State() const { return {state_, half_state_, nullptr, 0, count, 1, d}; }
  size_t bytes() const { return memory_.Bytes(); }
  // Whose stream calls on these rows take; null without rows.
  static const Resident* Of(const ResidentRows* rows) { return rows == nullptr ? nullptr : &rows->memory_; }

 private:
  size_t RowBytes() const { return count * d * (half ? sizeof(uint16_t) : sizeof(float)); }

  Resident memory_;
  float *rows_ = nullptr, *state_ = nullptr;
  uint16_t *half_rows_ = nullptr, *half_state_ = nullptr;
};

}  // namespace cuda
}  // namespace hypersphere
