// Nearest neighbours, galleries that are kept, bfloat16.
#include <climits>
#include <memory>

#include "../cpu.h"
#include "../cuda/ops/gallery.h"
#include "../ops/gallery.h"
#include "args.h"
#include "implementation.h"
#include "kept.h"
#include "ops.h"
#include "task.h"

namespace hypersphere {

namespace {

constexpr int kLastMetric = static_cast<int>(Metric::kSnr);
constexpr int kLastFilter = static_cast<int>(Filter::kDifferent);

Args NearestArgs(const Napi::CallbackInfo& info) {
  return Args(info, {"x", "gallery", "n", "m", "d", "metric", "k", "excludeSelf", "filter", "labels", "galleryLabels", "indices", "distances",
                     "beyond", "within"});
}

// Labels are read only where a filter asks for them.
void ReadFilter(const Args& args, size_t filter, size_t labels, NearestOp& op) {
  op.filter = static_cast<Filter>(args.Int(filter, 0, kLastFilter));
  if (op.filter != Filter::kNone) op.labels = args.Ints(labels, op.n, 1);
}

// `beyond` and the argument behind it.
void ReadBounds(const Args& args, size_t beyond, NearestOp& op) {
  op.beyond = args.OptionalFloats(beyond, op.n, 1);
  op.within = args.OptionalFloats(beyond + 1, op.n, 1);
}

NearestOp ReadNearest(const Args& args) {
  NearestOp op{};
  op.n = args.Size(2);
  op.m = static_cast<size_t>(args.Int(3, 0, INT_MAX));
  op.d = static_cast<size_t>(args.Int(4, 1, INT_MAX));
  op.metric = static_cast<Metric>(args.Int(5, 0, kLastMetric));
  op.k = static_cast<size_t>(args.Int(6, 1, INT_MAX));
  op.exclude_self = args.Flag(7);
  ReadFilter(args, 8, 9, op);
  if (op.filter != Filter::kNone) op.gallery_labels = args.Ints(10, op.m, 1);
  op.x = args.Floats(0, op.n, op.d);
  if (args.IsHalves(1)) {
    op.half_gallery = args.Halves(1, op.m, op.d);
  } else {
    op.gallery = args.Floats(1, op.m, op.d);
  }
  op.indices = args.Ints(11, op.n, op.k);
  op.distances = args.Floats(12, op.n, op.k);
  ReadBounds(args, 13, op);
  args.CheckApart({11, 12});
  return op;
}

void NearestSync(const Napi::CallbackInfo& info) {
  Expect(info.Env(), ImplementationOf(info).nearest(ReadNearest(NearestArgs(info)), nullptr));
}

Napi::Value NearestAsync(const Napi::CallbackInfo& info) {
  const Args args = NearestArgs(info);
  const NearestOp op = ReadNearest(args);
  const auto run = ImplementationOf(info).nearest;
  return StartTask(args, "hypersphere.nearest", [op, run](const std::atomic<bool>* cancel) { return run(op, cancel); });
}

Status SearchIn(const PackedGallery& gallery, NearestOp op, const std::atomic<bool>* cancel) {
  op.packed = &gallery;
  return Nearest(op, cancel);
}
Status SearchIn(const cuda::Gallery& gallery, const NearestOp& op, const std::atomic<bool>* cancel) { return gallery.Search(op, cancel); }

Args SearchArgs(const Napi::CallbackInfo& info) { return Args(info, {"x", "n", "k", "filter", "labels", "indices", "distances", "beyond", "within"}); }

template <class Gallery>
NearestOp ReadSearch(const Args& args, const Gallery* packed) {
  if (packed == nullptr) throw Failure(args.Env(), "ERR_DETACHED", "gallery", "a gallery that is not disposed", "a disposed one");
  NearestOp op{};
  op.m = packed->m;
  op.d = packed->d;
  op.metric = packed->metric;
  op.n = args.Size(1);
  op.k = static_cast<size_t>(args.Int(2, 1, INT_MAX));
  ReadFilter(args, 3, 4, op);
  op.gallery_labels = packed->labels;
  if (op.filter != Filter::kNone && packed->labels == nullptr) {
    throw Failure(args.Env(), "ERR_OPTION_RANGE", "filter", "a gallery with labels", "one without");
  }
  op.x = args.Floats(0, op.n, op.d);
  op.indices = args.Ints(5, op.n, op.k);
  op.distances = args.Floats(6, op.n, op.k);
  ReadBounds(args, 7, op);
  args.CheckApart({5, 6});
  return op;
}

template <class Gallery>
void SearchSync(const Napi::CallbackInfo& info, const Kept<Gallery>& kept) {
  const NearestOp op = ReadSearch(SearchArgs(info), kept.Get().get());
  Expect(info.Env(), SearchIn(*kept.Get(), op, nullptr));
}

template <class Gallery>
Napi::Value SearchAsync(const Napi::CallbackInfo& info, const Kept<Gallery>& kept) {
  const Args args = SearchArgs(info);
  const std::shared_ptr<const Gallery> packed = kept.Get();
  const NearestOp op = ReadSearch(args, packed.get());
  return StartTask(args, "hypersphere.search", [op, packed](const std::atomic<bool>* cancel) { return SearchIn(*packed, op, cancel); });
}

// { search, searchAsync, dispose }. An empty Int32Array stands for no labels. `more`: what else the gallery's constructor takes.
template <class Gallery, auto... more>
Napi::Value PackGallery(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Args args(info, {"gallery", "m", "d", "metric", "labels", "labelled"});
  const size_t m = static_cast<size_t>(args.Int(1, 0, INT_MAX)), d = static_cast<size_t>(args.Int(2, 1, INT_MAX));
  const Metric metric = static_cast<Metric>(args.Int(3, 0, kLastMetric));
  const int32_t* labels = args.Flag(5) ? args.Ints(4, m, 1) : nullptr;
  const bool halves = args.IsHalves(0);
  const float* data = halves ? nullptr : args.Floats(0, m, d);
  const auto kept = std::make_shared<Kept<Gallery>>(env, std::make_shared<Gallery>(m, d, metric, more...));
  Expect(env, kept->Get()->Pack(data, halves ? args.Halves(0, m, d) : nullptr, labels));
  kept->Account();
  Napi::Object result = Napi::Object::New(env);
  const auto add = [&](const char* name, auto function) { result.Set(name, FunctionOf(env, function, name)); };
  add("search", [kept](const Napi::CallbackInfo& call) { SearchSync(call, *kept); });
  add("searchAsync", [kept](const Napi::CallbackInfo& call) { return SearchAsync(call, *kept); });
  add("dispose", [kept](const Napi::CallbackInfo&) { kept->Dispose(); });
  return result;
}

void ToBfloat16(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "length", "out"});
  const size_t length = args.Size(1);
  const float* x = args.Floats(0, length, 1);
  uint16_t* out = args.Halves(2, length, 1);
  args.CheckApart({2});
  CurrentKernels().narrow(x, length, out);
}

void FromBfloat16(const Napi::CallbackInfo& info) {
  const Args args(info, {"x", "length", "out"});
  const size_t length = args.Size(1);
  const uint16_t* x = args.Halves(0, length, 1);
  float* out = args.Floats(2, length, 1);
  args.CheckApart({2});
  CurrentKernels().widen(x, length, out);
}

}  // namespace

void ExportNearest(const Implementation& who, Napi::Object exports) {
  ExportFor(who, exports, "nearest", NearestSync);
  ExportFor(who, exports, "nearestAsync", NearestAsync);
  const auto pack = who.fast ? PackGallery<cuda::Gallery, cuda::Precision::kFast> : who.on_device ? PackGallery<cuda::Gallery> : PackGallery<PackedGallery>;
  ExportFor(who, exports, "packGallery", pack);
}

void ExportBfloat16(Napi::Env env, Napi::Object exports) {
  exports.Set("toBfloat16", FunctionOf(env, ToBfloat16, "toBfloat16"));
  exports.Set("fromBfloat16", FunctionOf(env, FromBfloat16, "fromBfloat16"));
}

}  // namespace hypersphere
