#include "mined_rows.h"

#include "float_order.h"

namespace hypersphere {

MinedRows::MinedRows(Workspace& space, const PairInput& input, bool distances)
    : space_(space), n_(input.n), most_(n_ == 0 || n_ <= kMostHeld / n_ ? n_ : AnchorsOfBlock(n_)), distances_(distances),
      threads_(ThreadsForPass(n_, n_)), rows_(space, input), block_place_(space.Add<float>(distances ? most_ * n_ : 0)),
      positives_place_(space.Add<MinedPositive>(n_ * static_cast<size_t>(threads_))) {}

MinedAnchor MinedRows::Enter(size_t row, size_t at, size_t worker, bool fresh) const {
  float* const apart = Row(at);
  if (fresh && rows_.Cosine()) {
    for (size_t j = 0; j < n_; j++) apart[j] = -apart[j];
  }
  MinedPositive* const positives = space_.At<MinedPositive>(positives_place_) + worker * n_;
  const size_t* const own = rows_.Own(row);
  size_t count = 0;
  for (size_t i = 0; i < rows_.OwnCount(row); i++) {
    const size_t j = own[i];
    if (j != row) positives[count++] = {apart != nullptr ? apart[j] : 0, static_cast<uint32_t>(j)};
    if (apart != nullptr) apart[j] = __builtin_nanf("");
  }
  return {row, apart, positives, count, n_ - rows_.OwnCount(row)};
}

// As the next sweep will find it.
void MinedRows::Leave(const MinedAnchor& anchor, size_t at) const {
  if (float* const apart = Row(at)) {
    for (size_t i = 0; i < anchor.count; i++) apart[anchor.positives[i].row] = anchor.positives[i].apart;
  }
}

void MinedRows::ListNegatives(size_t row, int32_t* to) const {
  const size_t* const own = rows_.Own(row);
  size_t first = 0;
  const auto list = [&](size_t last) {
    for (; first < last; first++) *to++ = static_cast<int32_t>(first);
    first = last + 1;
  };
  for (size_t i = 0; i < rows_.OwnCount(row); i++) list(own[i]);
  list(n_);
}

size_t NearestBeyond(const MinedAnchor& anchor, size_t n, float above) {
  const RowBands& bands = CurrentKernels().row_bands;
  return bands.first(anchor.apart, n, {above, bands.least_above(anchor.apart, n, above)});
}

size_t FarthestNegative(const MinedAnchor& anchor, size_t n) {
  const KernelTable& kernels = CurrentKernels();
  const float most = kernels.row_terms.extent(anchor.apart, n).most;
  const float below = LastOf(static_cast<double>(most), [=](float value) { return value < most; });
  return kernels.row_bands.first(anchor.apart, n, {below, most});
}

const MinedPositive* FarthestPositive(const MinedAnchor& anchor) {
  const MinedPositive* farthest = nullptr;
  for (size_t i = 0; i < anchor.count; i++) {
    const MinedPositive& positive = anchor.positives[i];
    if (positive.apart > (farthest != nullptr ? farthest->apart : -kInfinite)) farthest = &positive;
  }
  return farthest;
}

}  // namespace hypersphere
