// ops/row_sweep.h on the device: the same sweeps for the losses of native/losses. A sweep is one kernel a block of anchors, whose distances and weights
// never leave the device; the sums of rows come to the host once a sweep, where they are asked for, and are added there in the caller's order.
#pragma once

#include "../../losses/rules.h"
#include "../../ops/blocks.h"
#include "../../ops/row_sweep.h"
#include "../sweep_args.h"
#include "pair_batch.h"

namespace hypersphere {
namespace cuda {

// The kernel that runs a rule.
template <class Rule>
struct KernelOf;
#define ROW_RULE(name, Rule) \
  template <> \
  struct KernelOf<Rule> { \
    static constexpr Kernel kKernel = Kernel::k_##name; \
  };
#include "../row_rules.def"
#undef ROW_RULE

// What of a batch the host has, in order before the device is taken.
struct SweptBatch {
  SweptBatch(const BatchLossOp& op, const SweepForm& form);
  Status Start(const std::atomic<bool>* cancel);

  const BatchLossOp& op;
  const SweepForm form;
  Workspace space;
  BatchRows rows;
  // Sums by column and by the caller's rows; what the kernels take of each row; the gradient by column; histograms.
  const size_t fetched_place, sums_place, nan_place, given_place, own_place, stored_place, gradient_place, shares_place, slopes_place;
};

class RowSweep {
 public:
  RowSweep(SweptBatch& batch, const std::atomic<bool>* cancel);

  const BatchRows& Rows() const { return batch_.rows; }
  const PairCounts& Count() const { return counts_; }
  template <class T>
  const T* Lend(const T* values, size_t count) {
    return call_.Upload(values, count);
  }
  const float* Compared() const { return pairs_.Rows(); }
  ColumnRuns Runs() const { return {rows_.own, rows_.stored}; }
  SoftHistograms Histograms() const { return histograms_; }
  // Those of all groups together, on the host.
  SoftHistograms FoldHistograms();
  // Of the sweep before the next one.
  PeerSums Peers() const { return {sums_, nullptr, batch_.form.sums}; }

  template <class Rule>
  void Sweep(const Rule& rule) {
    EachBlock(rule, false);
  }
  template <class Rule>
  void SweepToGradient(const Rule& rule) {
    EachBlock(rule, batch_.op.grad_x != nullptr);
  }

  double Sum(size_t which);
  double SumAt(size_t at, size_t which) { return SumOf(batch_.rows.Given(at), which); }
  double SumOf(size_t row, size_t which);
  bool Undefined();
  Status Finish(double loss, double scale);

 private:
  template <class Rule>
  void EachBlock(const Rule& rule, bool wanted) {
    const SweptRows rows = Begin(wanted);
    for (size_t first = 0; !call_.Failed() && first < batch_.op.n; first += pairs_.Most()) {
      const PairBlock block = pairs_.Distances(first);
      for (size_t at = 0; at < block.count; at += groups_) {
        const PairBlock part = Part(block, at);
        call_.LaunchGroups(KernelOf<Rule>::kKernel, part.count, part, rows, rule);
      }
      if (!wanted) continue;
      pairs_.LaunchWeigh(block);
      pairs_.LaunchAdd(block);
    }
  }
  SweptRows Begin(bool wanted);
  // No more anchors than there are groups with histograms.
  PairBlock Part(const PairBlock& block, size_t at) const;
  // Sums and NaN of the last sweep.
  void Fetch();

  SweptBatch& batch_;
  Call call_;
  PairBatch pairs_;
  const PairCounts counts_;
  const size_t groups_;  // of a launch
  SoftHistograms histograms_{};
  SweptRows rows_{};
  double *sums_ = nullptr, *spare_ = nullptr;
  bool fetched_ = true, undefined_ = false;
};

// A loss of native/losses on the device.
template <class Loss>
Status DeviceLoss(const BatchLossOp& op, const std::atomic<bool>* cancel) {
  SweptBatch batch(op, Loss::FormOf(op));
  const Status status = batch.Start(cancel);
  if (status != Status::kOk) return status;
  RowSweep sweep(batch, cancel);
  return Loss::Run(op, sweep);
}

}  // namespace cuda
}  // namespace hypersphere
