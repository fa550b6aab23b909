#include "resident.h"

namespace hypersphere {
namespace cuda {

Status ResidentRows::Keep(const void* rows, const void* state) noexcept {
  Call call(nullptr, Precision::kReproducible, &memory_);
  const auto keep = [&](const void* from, float*& floats, uint16_t*& halves) {
    if (half) {
      halves = call.Upload(static_cast<const uint16_t*>(from), count * d);
    } else {
      floats = call.Upload(static_cast<const float*>(from), count * d);
    }
  };
  keep(rows, rows_, half_rows_);
  if (stateful) keep(state, state_, half_state_);
  const Status status = call.Finish();
  if (status == Status::kOk) call.KeepIn(memory_);
  return status;
}

Status ResidentRows::Write(const void* rows) noexcept {
  Call call(nullptr, Precision::kReproducible, &memory_);
  call.Upload(half ? reinterpret_cast<char*>(half_rows_) : reinterpret_cast<char*>(rows_), static_cast<const char*>(rows), RowBytes());
  return call.Finish();
}

Status ResidentRows::Read(void* rows, void* state) const noexcept {
  Call call(nullptr, Precision::kReproducible, &memory_);
  const auto read = [&](void* to, const float* floats, const uint16_t* halves) {
    if (to == nullptr) return;
    call.Download(static_cast<char*>(to), half ? reinterpret_cast<const char*>(halves) : reinterpret_cast<const char*>(floats), RowBytes());
  };
  read(rows, rows_, half_rows_);
  if (stateful) read(state, state_, half_state_);
  return call.Finish();
}

}  // namespace cuda
}  // namespace hypersphere
