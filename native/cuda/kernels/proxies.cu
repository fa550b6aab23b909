// What proxies add to the proxy-anchor loss, a group of sixteen threads to a proxy: the CPU's rule (ops/proxy_terms.h) with its passes. Fused with a pass over
// a row of cosines are its exponentials, their sum and the store in place; the products around it are the engine's.
#include "../device.h"

HYPERSPHERE_SHARED_CODE_BEGIN
#include "../../kernels/row_terms.h"
#include "../../ops/proxy_terms.h"
HYPERSPHERE_SHARED_CODE_END

namespace hypersphere {
namespace {

struct ProxyPasses {
  HYPERSPHERE_DEVICE RowExtent Extent(const float* values, size_t count) const { return ExtentOfRow(values, count); }
  HYPERSPHERE_DEVICE double Exponentials(float* values, size_t count, const RowExponential& rule) const { return ExponentialsOfRow(values, count, rule); }
  HYPERSPHERE_DEVICE void Scale(float* values, size_t count, float factor) const { ScaleRow(values, count, factor, 0); }
  // Places among the cosines may be other threads', in the passes before and after.
  HYPERSPHERE_DEVICE void Take(const ProxyRow& row, float none) const {
    for (size_t j = OwnFirst(); j < row.count; j += kOwnStep) {
      row.own[j] = row.cosines[row.rows[j]];
      row.cosines[row.rows[j]] = none;
    }
    GroupFence();
  }
  HYPERSPHERE_DEVICE void PutBack(const ProxyRow& row) const {
    GroupFence();
    for (size_t j = OwnFirst(); j < row.count; j += kOwnStep) row.cosines[row.rows[j]] = row.own[j];
  }
};

}  // namespace
}  // namespace hypersphere

using namespace hypersphere;

// Proxies from `first` on, of which the cosines are here; losses and `own` are those of all.
HYPERSPHERE_KERNEL void proxy_terms(const ProxyRule rule, const ProxyRows rows, size_t first, size_t count, float* cosines, float* own, double* losses) {
  const size_t at = GroupRow(), proxy = first + at;
  if (at >= count) return;
  const size_t start = rows.starts[proxy];
  const ProxyRow row{cosines + at * rows.n, own + start, rows.order + start, rows.starts[proxy + 1] - start, rows.n};
  const double loss = TermsOfProxy(ProxyPasses{}, row, rule);
  if (FirstLane()) losses[proxy] = loss;
}
