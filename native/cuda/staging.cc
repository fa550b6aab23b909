#include "staging.h"

#include <string.h>

namespace hypersphere {
namespace cuda {
namespace {

constexpr size_t kLine = 64;
constexpr unsigned kWithoutTiming = 2;

}  // namespace

std::unique_ptr<Staging> Staging::Make(const Driver& driver) {
  std::unique_ptr<Staging> staging(new Staging(driver));
  return staging->Allocate() ? std::move(staging) : nullptr;
}

bool Staging::Allocate() {
  if (driver_.cuMemHostAlloc(&memory_, 2 * kHalfBytes, 0) != kSuccess) {
    memory_ = nullptr;
    return false;
  }
  for (Half& half : halves_) {
    half.memory = static_cast<char*>(memory_) + (&half - halves_) * kHalfBytes;
    if (driver_.cuEventCreate(&half.event, kWithoutTiming) == kSuccess) continue;
    half.event = nullptr;
    return false;
  }
  return true;
}

Staging::~Staging() {
  for (const Half& half : halves_) {
    if (half.event != nullptr) driver_.cuEventDestroy_v2(half.event);
  }
  if (memory_ != nullptr) driver_.cuMemFreeHost(memory_);
}

Result Staging::Upload(void* stream, Address to, const void* from, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    size_t piece = bytes - done;
    Result result = MakeRoom(stream, piece);
    if (result != kSuccess) return result;
    void* const place = Take(piece);
    memcpy(place, static_cast<const char*>(from) + done, piece);
    result = driver_.cuMemcpyHtoDAsync_v2(to + done, place, piece, stream);
    if (result != kSuccess) return result;
    done += piece;
  }
  return kSuccess;
}

Result Staging::Download(void* stream, void* to, Address from, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    size_t piece = bytes - done;
    Result result = MakeRoom(stream, piece);
    if (result != kSuccess) return result;
    Half& half = halves_[now_];
    half.fetched[half.fetches++] = {static_cast<char*>(to) + done, half.used, piece};
    result = driver_.cuMemcpyDtoHAsync_v2(Take(piece), from + done, piece, stream);
    if (result != kSuccess) return result;
    done += piece;
  }
  return kSuccess;
}

Result Staging::MakeRoom(void* stream, size_t& bytes) {
  if (halves_[now_].used >= kHalfBytes || halves_[now_].fetches == kMostFetched) {
    Half& before = halves_[now_];
    Result result = driver_.cuEventRecord(before.event, stream);
    if (result != kSuccess) return result;
    before.full = true;
    now_ ^= 1;
    Half& half = halves_[now_];
    if (half.full) result = driver_.cuEventSynchronize(half.event);
    if (result != kSuccess) return result;
    Empty(half);
  }
  const size_t left = kHalfBytes - halves_[now_].used;
  if (bytes > left) bytes = left;
  return kSuccess;
}

void* Staging::Take(size_t bytes) {
  Half& half = halves_[now_];
  void* const place = half.memory + half.used;
  half.used += (bytes + kLine - 1) / kLine * kLine;
  return place;
}

void Staging::Empty(Half& half) {
  for (size_t k = 0; k < half.fetches; k++) memcpy(half.fetched[k].to, half.memory + half.fetched[k].place, half.fetched[k].bytes);
  half.fetches = 0;
  half.used = 0;
  half.full = false;
}

void Staging::Deliver() {
  Empty(halves_[now_ ^ 1]);
  Empty(halves_[now_]);
}

void Staging::Forget() {
  for (Half& half : halves_) half.fetches = 0;
  Deliver();
}

}  // namespace cuda
}  // namespace hypersphere
