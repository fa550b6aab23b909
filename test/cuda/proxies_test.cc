// The proxy-anchor loss with the CPU's bits: with each of its gradients and without, in one block of proxies and in several, on plain rows and on rows
// that need every way round.
#include "compare.h"
#include "tests.h"

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

struct Proxies {
  std::vector<float> x, proxies;
  std::vector<int32_t> labels;
  size_t d;
  size_t Classes() const { return proxies.size() / d; }
};

// `used` of the classes have rows.
Proxies Draw(size_t n, size_t classes, size_t used, size_t d, bool nasty = false) {
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; i++) labels[i] = static_cast<int32_t>(classes - 1 - i * i % used);
  if (nasty) return {Nasty(n, d, 1), Nasty(classes, d, 2), labels, d};
  return {Normals(n * d, 1), Normals(classes * d, 2), labels, d};
}

void TestLoss(const char* name, const Proxies& of, double alpha = 32, double margin = 0.1) {
  for (const int gradients : {3, 2, 1, 0}) {
    // The CPU's blocks are never so small: the bits know nothing of them.
    for (const size_t block : {size_t{1} << 20, size_t{4}}) {
      TestBits("proxyAnchorLoss", name, [&](bool device) {
        std::vector<double> numbers(1, 7);
        std::vector<float> of_x(gradients & 1 ? of.x.size() : 0, 7), of_proxies(gradients & 2 ? of.proxies.size() : 0, 7);
        ProxyAnchorOp op{};
        op.x = of.x.data();
        op.proxies = of.proxies.data();
        op.labels = of.labels.data();
        op.loss = numbers.data();
        op.grad_x = gradients & 1 ? of_x.data() : nullptr;
        op.grad_proxies = gradients & 2 ? of_proxies.data() : nullptr;
        op.n = of.labels.size();
        op.d = of.d;
        op.classes = of.Classes();
        op.margin = margin;
        op.alpha = alpha;
        Succeed(!device ? ProxyAnchor(op, nullptr) : block > 4 ? cuda::ProxyAnchor(op, nullptr) : cuda::ProxyAnchorByBlocks(op, block, nullptr));
        Append(numbers, of_x);
        Append(numbers, of_proxies);
        return numbers;
      });
    }
  }
}

}  // namespace

void hypersphere::test::TestProxies() {
  TestLoss("plain", Draw(37, 11, 7, 5));
  TestLoss("a proxy for each row", Draw(9, 40, 9, 17));
  TestLoss("steep", Draw(37, 6, 6, 3), 1e30, 1e30);
  TestLoss("flat", Draw(37, 6, 6, 3), 1e-30, 0);
  TestLoss("nasty rows", {Nasty(26, 4, 3), Normals(5 * 4, 4), Draw(26, 5, 3, 4).labels, 4});
  TestLoss("nasty", Draw(26, 9, 8, 4, true));
  TestLoss("all rows of one class", Draw(21, 3, 1, 4));
  TestLoss("one proxy", Draw(5, 1, 1, 4));
  TestLoss("one row", Draw(1, 5, 1, 4));
  TestLoss("no rows", Draw(0, 5, 1, 4));
  // More than a run of a sum.
  TestLoss("a long row", Draw(1100, 5, 2, 2));
}
