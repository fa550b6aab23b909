// Proxy-anchor loss: each proxy against all rows of the batch. Proxies come in blocks whose cosines with the batch, made by the engine, are
// bounded in bytes; a proxy's row of them is turned into the gradients of its terms while it is in the second level of cache, and those into
// two products, one for the proxies of the block and one that adds up over the blocks. ops/proxy_terms.h has what a proxy adds.
#include <string.h>

#include <initializer_list>

#include "../cpu.h"
#include "../ops/blocks.h"
#include "../ops/ops.h"
#include "../ops/product.h"
#include "../ops/proxy_batch.h"
#include "../ops/workspace.h"

namespace hypersphere {
namespace {

constexpr size_t kBlockFloats = size_t{1} << 20;  // of cosines: 4 MiB
constexpr size_t kFewestProxies = 16;
constexpr size_t kStepsOfTerm = 32;  // of an exponential and its sum, in multiplications

// Over a proxy's row, as ops/proxy_terms.h wants them.
struct Passes {
  const RowTerms& terms;
  RowExtent Extent(const float* values, size_t count) const { return terms.extent(values, count); }
  double Exponentials(float* values, size_t count, const RowExponential& rule) const { return terms.exponentials(values, count, rule); }
  void Scale(float* values, size_t count, float factor) const { terms.scale(values, count, factor, 0); }
  void Take(const ProxyRow& row, float none) const {
    for (size_t j = 0; j < row.count; j++) {
      row.own[j] = row.cosines[row.rows[j]];
      row.cosines[row.rows[j]] = none;
    }
  }
  void PutBack(const ProxyRow& row) const {
    for (size_t j = 0; j < row.count; j++) row.cosines[row.rows[j]] = row.own[j];
  }
};

class Run {
 public:
  Run(const ProxyAnchorOp& op, const std::atomic<bool>* cancel)
      : op_(op),
        cancel_(cancel),
        kernels_(CurrentKernels()),
        threads_(Threads()),
        block_(Least(op.classes, Most(kBlockFloats / Most(Most(op.n, op.d), 1), kFewestProxies))),
        batch_(space_, op) {}

  Status operator()() {
    if (!Allocate()) return Status::kOutOfMemory;
    batch_.Sort();
    Status status = Normalize({op_.x, x_, op_.n, op_.d, kShortest}, cancel_);
    for (size_t first = 0; first < op_.classes && status == Status::kOk; first += block_) status = Block(first, Least(block_, op_.classes - first));
    if (status != Status::kOk) return status;
    double loss = 0;
    for (size_t c = 0; c < op_.classes; c++) loss += losses_[c];
    *op_.loss = loss;
    if (op_.grad_x == nullptr) return status;
    return NormalizeGradient({op_.x, sums_, op_.grad_x, op_.n, op_.d, kShortest}, cancel_);
  }

 private:
  bool Allocate() {
    const size_t rows = op_.n * op_.d, of_block = block_ * op_.d;
    const size_t x = space_.Add<float>(rows), proxies = space_.Add<float>(of_block), cosines = space_.Add<float>(block_ * op_.n);
    const size_t sums = space_.Add<float>(op_.grad_x != nullptr ? rows : 0);
    const size_t proxy_sums = space_.Add<float>(op_.grad_proxies != nullptr ? of_block : 0);
    const size_t own = space_.Add<float>(op_.n), losses = space_.Add<double>(op_.classes);
    scratch_ = space_.Add<char>(MostScratch());
    if (!space_.Allocate()) return false;
    x_ = space_.At<float>(x);
    proxies_ = space_.At<float>(proxies);
    cosines_ = space_.At<float>(cosines);
    sums_ = space_.At<float>(sums);
    proxy_sums_ = space_.At<float>(proxy_sums);
    own_ = space_.At<float>(own);
    losses_ = space_.At<double>(losses);
    return true;
  }

  // The products of a block of so many proxies.
  ProductOp Cosines(size_t count) const { return {{proxies_, op_.d, 1}, {x_, op_.d, 1}, count, op_.n, op_.d, cosines_, nullptr}; }
  ProductOp Sums(size_t count, bool more) const { return {{cosines_, 1, op_.n}, {proxies_, 1, op_.d}, op_.n, op_.d, count, sums_, nullptr, more}; }
  ProductOp ProxySums(size_t count) const { return {{cosines_, op_.n, 1}, {x_, 1, op_.d}, count, op_.d, op_.n, proxy_sums_, nullptr}; }

  // Later blocks follow results of earlier ones, so that memory for all of their products is there from the start.
  size_t MostScratch() const {
    size_t most = 0;
    for (const size_t count : {block_, block_ == 0 ? 0 : op_.classes % block_}) {
      for (const ProductOp& product : {Cosines(count), Sums(count, false), ProxySums(count)}) most = Most(most, ProductBytes(product, {threads_, kernels_}));
    }
    return most;
  }
  Status Multiply(const ProductOp& product) const { return Product(product, {threads_, kernels_}, space_.At<char>(scratch_), cancel_); }

  Status Block(size_t first, size_t count) {
    const size_t n = op_.n, d = op_.d;
    const float* const given = op_.proxies + first * d;
    Status status = Normalize({given, proxies_, count, d, kShortest}, cancel_);
    if (status == Status::kOk) status = Multiply(Cosines(count));
    if (status != Status::kOk) return status;
    const auto terms = [&](size_t proxy, int) { losses_[first + proxy] = Terms(first + proxy, cosines_ + proxy * n); };
    status = ParallelFor(count, terms, cancel_, ThreadsFor(count, n, kStepsOfTerm));
    if (status != Status::kOk) return status;
    if (op_.grad_x != nullptr) status = Multiply(Sums(count, first > 0));
    if (status != Status::kOk || op_.grad_proxies == nullptr) return status;
    status = Multiply(ProxySums(count));
    return status == Status::kOk ? NormalizeGradient({given, proxy_sums_, op_.grad_proxies + first * d, count, d, kShortest}, cancel_) : status;
  }

  double Terms(size_t proxy, float* cosines) const {
    const ProxyRows& rows = batch_.Rows();
    const size_t start = rows.starts[proxy];
    return TermsOfProxy(Passes{kernels_.row_terms}, {cosines, own_ + start, rows.order + start, rows.starts[proxy + 1] - start, op_.n}, batch_.Rule());
  }

  const ProxyAnchorOp& op_;
  const std::atomic<bool>* cancel_;
  const KernelTable& kernels_;
  const int threads_;
  size_t block_, scratch_ = 0;
  Workspace space_;
  ProxyBatch batch_;
  float *x_ = nullptr, *proxies_ = nullptr, *cosines_ = nullptr, *sums_ = nullptr, *proxy_sums_ = nullptr, *own_ = nullptr;
  double* losses_ = nullptr;
};

}  // namespace

Status ProxyAnchor(const ProxyAnchorOp& op, const std::atomic<bool>* cancel) noexcept {
  // Then nothing takes part in anything, whatever it holds.
  if (op.n == 0 || op.classes == 0) {
    *op.loss = 0;
    if (op.grad_x != nullptr) memset(op.grad_x, 0, op.n * op.d * sizeof(float));
    if (op.grad_proxies != nullptr) memset(op.grad_proxies, 0, op.classes * op.d * sizeof(float));
    return Status::kOk;
  }
  const KeptLevel kept;
  return Run(op, cancel)();
}

}  // namespace hypersphere
