// A gallery that stays on the device: rows as they came, float32 or bfloat16, labels, and the norms or moments of float32 rows.
#pragma once

#include "../../api.h"
#include "../context.h"

namespace hypersphere {
namespace cuda {

// Where they lie on the device; one of the first two is null.
struct GalleryRows {
  const float* rows;
  const uint16_t* half_rows;
  const int32_t* labels;  // or null
  float* norms;           // with float32 rows, by the metric; and null where nobody has computed them
  Moments* moments;
  size_t m, d;
};

struct Gallery {
  const size_t m, d;
  const Metric metric;
  const Precision precision;        // of searches; the neighbours are the same
  const int32_t* labels = nullptr;  // on the device; or null

  Gallery(size_t rows, size_t dim, Metric of, Precision with = Precision::kReproducible) : m(rows), d(dim), metric(of), precision(with) {}

  // From float32 rows or bfloat16 ones of the host, the other null. `given_labels` may be null.
  Status Pack(const float* data, const uint16_t* halves, const int32_t* given_labels) noexcept;
  // The op's own gallery is not looked at.
  Status Search(const NearestOp& op, const std::atomic<bool>* cancel) const noexcept;
  size_t bytes() const { return memory_.Bytes(); }

 private:
  Resident memory_;
  GalleryRows rows_{};
};

}  // namespace cuda
}  // namespace hypersphere
