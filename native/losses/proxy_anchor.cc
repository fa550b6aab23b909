// Proxy-anchor loss: each proxy against all rows of the batch. Proxies come in blocks whose cosines with the batch, made by the engine, are
// bounded in bytes; a proxy's row of them is turned into the gradients of its terms while it is in the second level of cache, and those into
// two products, one for the proxies of the block and one that adds up over the blocks. The rows of a proxy's own class are few: their
// cosines are gathered and their places left empty, so that both sums are passes without masks.
#include <string.h>

#include <initializer_list>

#include "../cpu.h"
#include "../ops/blocks.h"
#include "../ops/ops.h"
#include "../ops/product.h"
#include "../ops/workspace.h"
#include "../scalar/math.h"

namespace hypersphere {
namespace {

constexpr size_t kBlockFloats = size_t{1} << 20;  // of cosines: 4 MiB
constexpr size_t kFewestProxies = 16;
constexpr size_t kStepsOfTerm = 32;  // of an exponential and its sum, in multiplications
constexpr float kNone = -__builtin_inff();
constexpr float kNoBound = __builtin_nanf("");

double Softplus(double u) { return (u > 0 ? u : 0) + scalar::Log1p(scalar::Exp(u > 0 ? -u : u)); }

class Run {
 public:
  Run(const ProxyAnchorOp& op, const std::atomic<bool>* cancel)
      : op_(op),
        cancel_(cancel),
        kernels_(CurrentKernels()),
        threads_(Threads()),
        block_(Least(op.classes, Most(kBlockFloats / Most(Most(op.n, op.d), 1), kFewestProxies))),
        backward_(op.grad_x != nullptr || op.grad_proxies != nullptr) {}

  Status operator()() {
    if (!Allocate()) return Status::kOutOfMemory;
    SortRows();
    Status status = Normalize({op_.x, x_, op_.n, op_.d, kShortest}, cancel_);
    for (size_t first = 0; first < op_.classes && status == Status::kOk; first += block_) status = Block(first, Least(block_, op_.classes - first));
    if (status != Status::kOk) return status;
    double loss = 0;
    for (size_t c = 0; c < op_.classes; c++) loss += losses_[c];
    *op_.loss = loss;
    if (op_.grad_x == nullptr) return status;
    if (op_.classes == 0) memset(sums_, 0, op_.n * op_.d * sizeof(float));
    return NormalizeGradient({op_.x, sums_, op_.grad_x, op_.n, op_.d, kShortest}, cancel_);
  }

 private:
  bool Allocate() {
    const size_t rows = op_.n * op_.d, of_block = block_ * op_.d;
    const size_t x = space_.Add<float>(rows), proxies = space_.Add<float>(of_block), cosines = space_.Add<float>(block_ * op_.n);
    const size_t sums = space_.Add<float>(op_.grad_x != nullptr ? rows : 0);
    const size_t proxy_sums = space_.Add<float>(op_.grad_proxies != nullptr ? of_block : 0);
    const size_t own = space_.Add<float>(op_.n), losses = space_.Add<double>(op_.classes);
    const size_t starts = space_.Add<size_t>(op_.classes + 1), order = space_.Add<size_t>(op_.n);
    scratch_ = space_.Add<char>(MostScratch());
    if (!space_.Allocate()) return false;
    x_ = space_.At<float>(x);
    proxies_ = space_.At<float>(proxies);
    cosines_ = space_.At<float>(cosines);
    sums_ = space_.At<float>(sums);
    proxy_sums_ = space_.At<float>(proxy_sums);
    own_ = space_.At<float>(own);
    losses_ = space_.At<double>(losses);
    starts_ = space_.At<size_t>(starts);
    order_ = space_.At<size_t>(order);
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

  // The rows of class c are order_[starts_[c] … starts_[c + 1]).
  void SortRows() {
    for (size_t c = 0; c <= op_.classes; c++) starts_[c] = 0;
    size_t touched = 0;
    for (size_t i = 0; i < op_.n; i++) {
      if (starts_[op_.labels[i]]++ == 0) touched++;
    }
    size_t end = 0;
    for (size_t c = 0; c <= op_.classes; c++) starts_[c] = end += starts_[c];
    for (size_t i = op_.n; i > 0; i--) order_[--starts_[op_.labels[i - 1]]] = i - 1;
    of_positives_ = 1 / static_cast<double>(Most(touched, 1));
    of_negatives_ = 1 / static_cast<double>(Most(op_.classes, 1));
  }

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

  // The proxy's part of the loss; the gradients of its cosines in their place.
  double Terms(size_t proxy, float* cosines) const {
    const size_t start = starts_[proxy], count = starts_[proxy + 1] - start;
    const size_t* const rows = order_ + start;
    float* const own = own_ + start;
    for (size_t j = 0; j < count; j++) {
      own[j] = cosines[rows[j]];
      cosines[rows[j]] = kNone;
    }
    const double positive = Side(own, count, -op_.alpha, -op_.margin, of_positives_);
    const double negative = op_.n > count ? Side(cosines, op_.n, op_.alpha, op_.margin, of_negatives_) : 0;
    for (size_t j = 0; j < count; j++) cosines[rows[j]] = own[j];
    return of_positives_ * positive + of_negatives_ * negative;
  }

  // log(1 + Σ e^{slope·(v + shift)}), and weight·slope·e^{slope·(v + shift)} / (1 + Σ) in place of the values.
  double Side(float* values, size_t count, double slope, double shift, double weight) const {
    const RowExtent extent = kernels_.row_terms.extent(values, count);
    if (extent.nan) return __builtin_nan("");
    // Nothing to add up.
    if (count == 0) return 0;
    const float reference = slope > 0 ? extent.most : extent.least;
    const double greatest = slope * (static_cast<double>(reference) + shift);
    const double sum = kernels_.row_terms.exponentials(values, count, {static_cast<float>(slope), reference, kNoBound, kNoBound});
    const double total = Softplus(greatest + scalar::Log(sum));
    if (backward_) kernels_.row_terms.scale(values, count, static_cast<float>(weight * slope * scalar::Exp(greatest - total)), 0);
    return total;
  }

  const ProxyAnchorOp& op_;
  const std::atomic<bool>* cancel_;
  const KernelTable& kernels_;
  const int threads_;
  size_t block_, scratch_ = 0;
  bool backward_;
  double of_positives_ = 0, of_negatives_ = 0;
  Workspace space_;
  float *x_ = nullptr, *proxies_ = nullptr, *cosines_ = nullptr, *sums_ = nullptr, *proxy_sums_ = nullptr, *own_ = nullptr;
  double* losses_ = nullptr;
  size_t *starts_ = nullptr, *order_ = nullptr;
};

}  // namespace

Status ProxyAnchor(const ProxyAnchorOp& op, const std::atomic<bool>* cancel) noexcept {
  const KeptLevel kept;
  return Run(op, cancel)();
}

}  // namespace hypersphere
