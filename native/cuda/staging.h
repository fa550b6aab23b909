// Page-locked memory of the host between a caller's arrays and the device. The bus copies by itself what lies there, so a call goes on while its
// arrays travel, and an array that is larger than this passes in pieces, each put beside the one that is on its way. Two halves take turns.
#pragma once

#include <stddef.h>

#include <memory>

#include "driver.h"

namespace hypersphere {
namespace cuda {

// Of one stream at a time. The driver's results; once one is an error, nothing but Forget may be called.
class Staging {
 public:
  static constexpr size_t kHalfBytes = size_t{1} << 20;

  // Null where the host has no page-locked memory to give. The context is current, as for everything here.
  static std::unique_ptr<Staging> Make(const Driver& driver);
  ~Staging();

  // `from` may change as soon as this returns.
  Result Upload(void* stream, Address to, const void* from, size_t bytes);
  // To `to` by the time that Deliver returns, which may be in part before.
  Result Download(void* stream, void* to, Address from, size_t bytes);
  // The stream has been waited for: what was fetched goes to where it belongs.
  void Deliver();
  // Likewise, but what was fetched is of no use.
  void Forget();

 private:
  struct Fetched {
    void* to;
    size_t place, bytes;
  };
  static constexpr size_t kMostFetched = 64;
  struct Half {
    char* memory = nullptr;
    void* event = nullptr;  // recorded behind the last work of the half
    size_t used = 0;
    bool full = false;
    // A list that grew might find no memory, when a call has already written some of its results.
    Fetched fetched[kMostFetched];
    size_t fetches = 0;
  };

  explicit Staging(const Driver& driver) : driver_(driver) {}
  bool Allocate();
  // Room in halves_[now_] for one more piece, of so many bytes or, where there is less, for what `bytes` is afterwards.
  Result MakeRoom(void* stream, size_t& bytes);
  void* Take(size_t bytes);
  void Empty(Half& half);

  const Driver& driver_;
  void* memory_ = nullptr;
  Half halves_[2];
  int now_ = 0;
};

}  // namespace cuda
}  // namespace hypersphere
