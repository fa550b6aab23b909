#include "gallery.h"

#include <string.h>

#include "../cpu.h"
#include "blocks.h"

namespace hypersphere {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kPanelsPerTask = 8;

}  // namespace

PackedGallery::PackedGallery(size_t gallery_rows, size_t depth, Metric of)
    : kernels(&CurrentKernels()), m(gallery_rows), d(depth), metric(of) {}

Status PackedGallery::Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept {
  const bool differences = metric == Metric::kManhattan || metric == Metric::kSnr;
  const size_t width = kernels->tile_cols, padded = RoundUp(m, width);
  if (m > SIZE_MAX / 64 / Most(d, 16)) return Status::kOutOfMemory;
  const size_t values = RoundUp((differences ? m : padded) * d * (halves != nullptr ? sizeof(uint16_t) : sizeof(float)), kLine);
  const size_t about = RoundUp(differences ? m * sizeof(Moments) : padded * sizeof(float), kLine);
  // bfloat16 rows are widened, and packed, a block at a time in the worker's own part of this.
  const size_t block = kPanelsPerTask * width, block_floats = halves != nullptr ? block * d : 0;
  const int threads = ThreadsFor(m, d, 16);
  bytes = values + about + (given_labels != nullptr ? m * sizeof(int32_t) : 0);
  memory = malloc(bytes + kLine);
  float* const scratch = static_cast<float*>(malloc(2 * block_floats * sizeof(float) * static_cast<size_t>(threads) + 1));
  if (memory == nullptr || scratch == nullptr) {
    free(scratch);
    return Status::kOutOfMemory;
  }
  char* const start = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory) + kLine - 1) / kLine * kLine);
  if (given_labels != nullptr) {
    labels = reinterpret_cast<int32_t*>(start + values + about);
    memcpy(labels, given_labels, m * sizeof(int32_t));
  }
  if (halves != nullptr) {
    (differences ? half_rows : half_panels) = reinterpret_cast<uint16_t*>(start);
  } else {
    (differences ? rows : panels) = reinterpret_cast<float*>(start);
  }
  if (differences) {
    moments = reinterpret_cast<Moments*>(start + values);
  } else {
    norms = reinterpret_cast<float*>(start + values);
  }
  const auto pack = [&](size_t task, int worker) {
    const size_t first = task * block, count = Least(block, m - first), at = first * d;
    float* const wide = scratch + static_cast<size_t>(worker) * 2 * block_floats;
    if (halves != nullptr) kernels->widen(halves + at, count * d, wide);
    const float* const source = halves != nullptr ? wide : data + at;
    if (differences) {
      if (halves != nullptr) {
        memcpy(half_rows + at, halves + at, count * d * sizeof(uint16_t));
      } else {
        memcpy(rows + at, source, count * d * sizeof(float));
      }
      if (metric == Metric::kSnr) kernels->row_moments(source, count, d, true, moments + first);
      return;
    }
    float* const packed = halves != nullptr ? wide + block_floats : panels + at;
    kernels->pack_right({source, d, 1}, count, d, packed);
    memset(norms + first, 0, RoundUp(count, width) * sizeof(float));
    kernels->norms_right(packed, count, d, norms + first);
    const bool cosine = metric == Metric::kCosineSimilarity || metric == Metric::kCosineDistance;
    if (cosine) kernels->invert_norms(norms + first, count);
    if (halves != nullptr) kernels->narrow(packed, RoundUp(count, width) * d, half_panels + at);  // exact: that is where they came from
  };
  const Status status = ParallelFor(DivideUp(m, block), pack, nullptr, threads);
  free(scratch);
  return status;
}

}  // namespace hypersphere
