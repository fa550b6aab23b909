// The rows of each proxy in a batch, and what the sides of its loss count for: what the host finds out for CPU and device alike.
#pragma once

#include "../api.h"
#include "blocks.h"
#include "proxy_terms.h"
#include "workspace.h"

namespace hypersphere {

class ProxyBatch {
 public:
  ProxyBatch(Workspace& space, const ProxyAnchorOp& op)
      : space_(space), op_(op), starts_(space.Add<size_t>(op.classes + 1)), order_(space.Add<size_t>(op.n)) {}

  // After the workspace's allocation.
  void Sort() {
    size_t* const starts = space_.At<size_t>(starts_);
    size_t* const order = space_.At<size_t>(order_);
    for (size_t c = 0; c <= op_.classes; c++) starts[c] = 0;
    size_t touched = 0;
    for (size_t i = 0; i < op_.n; i++) {
      if (starts[op_.labels[i]]++ == 0) touched++;
    }
    size_t end = 0;
    for (size_t c = 0; c <= op_.classes; c++) starts[c] = end += starts[c];
    for (size_t i = op_.n; i > 0; i--) order[--starts[op_.labels[i - 1]]] = i - 1;
    rows_ = {starts, order, op_.n};
    rule_ = {op_.alpha, op_.margin, 1 / static_cast<double>(Most(touched, 1)), 1 / static_cast<double>(Most(op_.classes, 1)),
             op_.grad_x != nullptr || op_.grad_proxies != nullptr};
  }

  const ProxyRows& Rows() const { return rows_; }
  const ProxyRule& Rule() const { return rule_; }

 private:
  Workspace& space_;
  const ProxyAnchorOp& op_;
  size_t starts_, order_;
  ProxyRows rows_{};
  ProxyRule rule_{};
};

}  // namespace hypersphere
