#include "gallery.h"

#include <string.h>

#include "../cpu.h"
#include "blocks.h"

namespace hypersphere {
namespace {

constexpr size_t kPanelsPerTask = 8;

// What a worker needs to pack a block of rows.
struct Block {
  float *wide, *packed;  // of bfloat16 rows
  uint8_t* bytes;
};

class Packing {
 public:
  Packing(PackedGallery& to, const float* data, const uint16_t* halves) : to_(to), kernels_(*to.kernels), data_(data), halves_(halves) {}

  void operator()(size_t first, size_t count, const Block& own) const {
    const size_t d = to_.d, at = first * d;
    if (halves_ != nullptr) kernels_.widen(halves_ + at, count * d, own.wide);
    const float* const source = halves_ != nullptr ? own.wide : data_ + at;
    if (to_.half_rows != nullptr) memcpy(to_.half_rows + at, halves_ + at, count * d * sizeof(uint16_t));
    if (to_.rows != nullptr) memcpy(to_.rows + at, source, count * d * sizeof(float));
    if (to_.moments != nullptr) kernels_.row_moments(source, count, d, true, to_.moments + first);
    if (to_.quantized.panels != nullptr) QuantizeColumns(kernels_, source, count, d, own.bytes, to_.quantized.At(first, CoarseSteps(d)));
    if (to_.norms != nullptr) Panels(source, first, count, own);
  }

 private:
  void Panels(const float* source, size_t first, size_t count, const Block& own) const {
    const size_t d = to_.d, padded = RoundUp(count, kernels_.tile_cols);
    float* const packed = halves_ != nullptr ? own.packed : to_.panels + first * d;
    kernels_.pack_right({source, d, 1}, count, d, packed);
    memset(to_.norms + first, 0, padded * sizeof(float));
    kernels_.norms_right(packed, count, d, to_.norms + first);
    if (to_.metric == Metric::kCosineSimilarity || to_.metric == Metric::kCosineDistance) kernels_.invert_norms(to_.norms + first, count);
    if (halves_ != nullptr) kernels_.narrow(packed, padded * d, to_.half_panels + first * d);  // exact: that is where they came from
  }

  PackedGallery& to_;
  const KernelTable& kernels_;
  const float* data_;
  const uint16_t* halves_;
};

}  // namespace

PackedGallery::PackedGallery(size_t gallery_rows, size_t depth, Metric of)
    : kernels(&CurrentKernels()), m(gallery_rows), d(depth), metric(of) {}

Status PackedGallery::Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept {
  const bool differences = metric == Metric::kManhattan || metric == Metric::kSnr;
  const bool coarse = !differences && HasCoarse(*kernels) && CoarsePays(m, d), panelled = !differences && !coarse;
  const size_t padded = RoundUp(m, kernels->tile_cols), coarse_rows = coarse ? padded : 0;
  if (m > SIZE_MAX / 64 / Most(d, 16)) return Status::kOutOfMemory;
  const size_t count = (panelled ? padded : m) * d;
  const size_t values = halves != nullptr ? memory_.Add<uint16_t>(count) : memory_.Add<float>(count);
  const size_t norms_at = memory_.Add<float>(panelled ? padded : 0), moments_at = memory_.Add<Moments>(metric == Metric::kSnr ? m : 0);
  const size_t bytes_at = memory_.Add<uint8_t>(coarse_rows * CoarseBytes(d)), steps = memory_.Add<float>(coarse_rows);
  const size_t lengths = memory_.Add<float>(coarse_rows), errors = memory_.Add<float>(coarse_rows), sums = memory_.Add<int32_t>(coarse_rows);
  const size_t labels_at = memory_.Add<int32_t>(given_labels != nullptr ? m : 0);

  const size_t block = kPanelsPerTask * kernels->tile_cols;
  const int threads = ThreadsFor(m, d, 16);
  Workspace space;
  const size_t workers = static_cast<size_t>(threads), block_floats = halves != nullptr ? block * d : 0;
  const size_t block_bytes = coarse ? block * CoarseBytes(d) + kMostPending : 0;
  const size_t wide = space.Add<float>(block_floats * workers), packed = space.Add<float>(block_floats * workers);
  const size_t quantized_at = space.Add<uint8_t>(block_bytes * workers);
  if (!memory_.Allocate() || !space.Allocate()) return Status::kOutOfMemory;

  if (halves != nullptr) {
    (panelled ? half_panels : half_rows) = memory_.At<uint16_t>(values);
  } else {
    (panelled ? panels : rows) = memory_.At<float>(values);
  }
  if (panelled) norms = memory_.At<float>(norms_at);
  if (metric == Metric::kSnr) moments = memory_.At<Moments>(moments_at);
  if (coarse) {
    quantized = {memory_.At<uint8_t>(bytes_at),
                 {memory_.At<float>(steps), memory_.At<float>(lengths), memory_.At<float>(errors),
                  memory_.At<int32_t>(sums)}};
  }
  if (given_labels != nullptr) {
    labels = memory_.At<int32_t>(labels_at);
    memcpy(labels, given_labels, m * sizeof(int32_t));
  }
  const Packing pack(*this, data, halves);
  const auto some = [&](size_t task, int worker) {
    const size_t first = task * block, w = static_cast<size_t>(worker);
    pack(first, Least(block, m - first),
         {space.At<float>(wide) + w * block_floats, space.At<float>(packed) + w * block_floats, space.At<uint8_t>(quantized_at) + w * block_bytes});
  };
  return ParallelFor(DivideUp(m, block), some, nullptr, threads);
}

NearestOp PackedGallery::InRows(NearestOp op) const {
  op.packed = nullptr;
  op.gallery = rows;
  op.half_gallery = half_rows;
  op.quantized = &quantized;
  return op;
}

}  // namespace hypersphere
