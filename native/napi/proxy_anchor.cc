#include "args.h"
#include "implementation.h"

namespace hypersphere {

namespace {

// The loss comes back in a Float64Array of one element.
void ProxyAnchorSync(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "proxies", "labels", "n", "d", "classes", "margin", "alpha", "loss", "gradX", "gradProxies"});
  ProxyAnchorOp op{};
  op.n = args.Size(3);
  op.d = args.Size(4);
  op.classes = args.Size(5);
  op.margin = args.Number(6);
  op.alpha = args.Number(7);
  op.x = args.Floats(0, op.n, op.d);
  op.proxies = args.Floats(1, op.classes, op.d);
  op.loss = args.Doubles(8, 1);
  op.grad_x = args.OptionalFloats(9, op.n, op.d);
  op.grad_proxies = args.OptionalFloats(10, op.classes, op.d);
  args.CheckApart({8, 9, 10});
  const std::vector<int32_t> labels = args.Labels(2, op.n, op.classes);
  op.labels = labels.data();
  Expect(info.Env(), ImplementationOf(info).proxy_anchor(op, nullptr));
}

}  // namespace

void ExportProxyAnchor(const Implementation& who, Napi::Object exports) { ExportFor(who, exports, "proxyAnchorLoss", ProxyAnchorSync); }

}  // namespace hypersphere
