// The proxy-anchor loss on the device: what losses/proxy_anchor.cc does with blocks of proxies. Their cosines never leave the device; the terms of
// the proxies cross the bus once, and the host adds them in order.
#include "../../ops/ops.h"
#include "../../ops/proxy_batch.h"
#include "ops.h"
#include "product.h"

namespace hypersphere {
namespace cuda {
namespace {

constexpr size_t kBlockFloats = size_t{1} << 24;  // of cosines: 64 MiB

uint32_t Size(size_t n) { return static_cast<uint32_t>(n); }

}  // namespace

Status ProxyAnchor(const ProxyAnchorOp& op, const std::atomic<bool>* cancel) noexcept {
  return ProxyAnchorByBlocks(op, Most(kBlockFloats / Most(Most(op.n, op.d), 1), kTileSide), cancel);
}

Status ProxyAnchorByBlocks(const ProxyAnchorOp& op, size_t most, const std::atomic<bool>* cancel) noexcept {
  const size_t n = op.n, d = op.d, classes = op.classes, block = Least(most, classes);
  if (n == 0 || classes == 0) return hypersphere::ProxyAnchor(op, cancel);  // nothing to compute
  Workspace space;
  ProxyBatch batch(space, op);
  const size_t losses_place = space.Add<double>(classes);
  if (!space.Allocate()) return Status::kOutOfMemory;
  batch.Sort();

  Call call(cancel);
  call.ExpectSides({n, d, classes});
  const bool of_x = op.grad_x != nullptr, of_proxies = op.grad_proxies != nullptr;
  const float* const x = call.Upload(op.x, n * d);
  const ProxyRows rows{call.Upload(batch.Rows().starts, classes + 1), call.Upload(batch.Rows().order, n), n};
  float* const unit_x = call.Allocate<float>(n * d);
  float* const given = call.Allocate<float>(block * d);
  float* const proxies = call.Allocate<float>(block * d);
  float* const cosines = call.Allocate<float>(block * n);
  float* const own = call.Allocate<float>(n);
  double* const losses = call.Allocate<double>(classes);
  float* const sums = call.Allocate<float>(of_x ? n * d : 0);
  float* const grad_x = call.Allocate<float>(of_x ? n * d : 0);
  float* const proxy_sums = call.Allocate<float>(of_proxies ? block * d : 0);
  float* const grad_proxies = call.Allocate<float>(of_proxies ? block * d : 0);

  call.LaunchGroups(Kernel::k_normalize, n, NormalizeOp{x, unit_x, n, d, kShortest});
  for (size_t first = 0; !call.Failed() && first < classes; first += block) {
    const size_t count = Least(block, classes - first);
    call.Upload(given, op.proxies + first * d, count * d);
    call.LaunchGroups(Kernel::k_normalize, count, NormalizeOp{given, proxies, count, d, kShortest});
    LaunchProduct(call, {{proxies, d, 1}, {unit_x, d, 1}, cosines, n, 0, Size(count), Size(n), Size(d), Size(d)});
    call.LaunchGroups(Kernel::k_proxy_terms, count, batch.Rule(), rows, first, count, cosines, own, losses);
    if (of_x) {
      const ProductArgs args{{cosines, 1, n}, {proxies, 1, d}, sums, d, 0, Size(n), Size(d), Size(count), Size(count)};
      first == 0 ? LaunchProduct(call, args) : LaunchProductOnto(call, args);
    }
    if (!of_proxies) continue;
    LaunchProduct(call, {{cosines, n, 1}, {unit_x, 1, d}, proxy_sums, d, 0, Size(count), Size(d), Size(n), Size(n)});
    call.LaunchGroups(Kernel::k_normalize_gradient, count, NormalizeGradientOp{given, proxy_sums, grad_proxies, count, d, kShortest});
    call.Download(op.grad_proxies + first * d, grad_proxies, count * d);
  }
  if (of_x) {
    call.LaunchGroups(Kernel::k_normalize_gradient, n, NormalizeGradientOp{x, sums, grad_x, n, d, kShortest});
    call.Download(op.grad_x, grad_x, n * d);
  }
  double* const terms = space.At<double>(losses_place);
  call.Download(terms, losses, classes);
  const Status status = call.Finish();
  if (status != Status::kOk) return status;
  double loss = 0;
  for (size_t c = 0; c < classes; c++) loss += terms[c];
  *op.loss = loss;
  return status;
}

}  // namespace cuda
}  // namespace hypersphere
