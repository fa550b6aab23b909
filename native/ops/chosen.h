// Where what each anchor has chosen goes in a result of tuples: all of it, or a sample of given size. The sample is drawn from the counts alone,
// in the order of lib/subsample.ts and with its stream, before any tuple is known: the place of each tuple keeps until then which of its
// anchor's it will be, so a sample takes no memory of its own and anchors can be filled in any order.
#pragma once

#include <string.h>

#include <atomic>

#include "../scalar/sfc32.h"
#include "workspace.h"

namespace hypersphere {

// Selection sampling (Knuth, TAOCP 2, 3.4.2 S), as lib/subsample.ts has it.
class SelectionSampler {
 public:
  SelectionSampler(uint64_t total, uint64_t wanted, const Sfc32& stream)
      : left_(static_cast<double>(total)), needed_(static_cast<double>(wanted)), stream_(stream) {}

  bool Keep() {
    if (needed_ == 0 || needed_ >= left_) return needed_ != 0 && left_-- > 0;
    const double high = static_cast<double>(stream_.Bits() >> 5), low = static_cast<double>(stream_.Bits() >> 6);
    const bool chosen = (high * 0x1p26 + low) / 0x1p53 * left_ < needed_;
    left_--;
    if (chosen) needed_--;
    return chosen;
  }

 private:
  double left_, needed_;
  Sfc32 stream_;
};

// Tuples of kWide numbers, of which two at least hold a place's rank meanwhile.
template <size_t kWide>
class Chosen {
 public:
  Chosen(Workspace& space, size_t n) : space_(space), n_(n), counts_place_(space.Add<uint64_t>(n)), starts_place_(space.Add<uint64_t>(n + 1)) {}

  // To be set for every anchor.
  uint64_t& Count(size_t anchor) const { return space_.At<uint64_t>(counts_place_)[anchor]; }
  uint64_t Total() const {
    uint64_t total = 0;
    for (size_t i = 0; i < n_; i++) total += Count(i);
    return total;
  }

  // `out` has room for `wanted` tuples, no more than there are.
  void Place(int32_t* out, uint64_t wanted, const Sfc32& stream) {
    const uint64_t total = Total();
    out_ = out;
    sampled_ = wanted < total;
    SelectionSampler sampler(total, wanted, stream);
    uint64_t* const starts = space_.At<uint64_t>(starts_place_);
    uint64_t at = 0;
    for (size_t i = 0; i < n_; i++) {
      starts[i] = at;
      if (!sampled_) at += Count(i);
      for (uint64_t rank = 0; sampled_ && at < wanted && rank < Count(i); rank++) {
        if (sampler.Keep()) memcpy(out + kWide * at++, &rank, sizeof(rank));
      }
    }
    starts[n_] = at;
  }

  // Of one anchor, which says in order what it has.
  class Slots {
   public:
    Slots(int32_t* to, int32_t* end, bool sampled, std::atomic<bool>& changed) : to_(to), end_(end), sampled_(sampled), changed_(changed) {}
    bool AreFull() const { return to_ == end_; }
    // Of the next `count` those that are wanted: write(where, i).
    template <class Write>
    void Next(size_t count, const Write& write) {
      if (!sampled_) {
        // Rows in shared memory may have changed since they were counted: what there is no room for is left.
        const size_t room = static_cast<size_t>(end_ - to_) / kWide, taken = count < room ? count : room;
        if (taken < count) changed_ = true;
        for (size_t i = 0; i < taken; i++, to_ += kWide) write(to_, i);
        return;
      }
      while (to_ != end_) {
        uint64_t rank;
        memcpy(&rank, to_, sizeof(rank));
        if (rank >= seen_ + count) break;
        write(to_, static_cast<size_t>(rank - seen_));
        to_ += kWide;
      }
      seen_ += count;
    }
    // And where they have become fewer, what is left over names the first row.
    void Finish() {
      if (to_ != end_) changed_ = true;
      while (to_ != end_) *to_++ = 0;
    }

   private:
    int32_t* to_;
    int32_t* const end_;
    const bool sampled_;
    std::atomic<bool>& changed_;
    uint64_t seen_ = 0;
  };
  Slots SlotsOf(size_t anchor) {
    const uint64_t* const starts = space_.At<uint64_t>(starts_place_);
    return {out_ + kWide * starts[anchor], out_ + kWide * starts[anchor + 1], sampled_, changed_};
  }
  // Whether an anchor has had other tuples than were counted: its rows have changed meanwhile.
  bool Changed() const { return changed_; }

 private:
  Workspace& space_;
  const size_t n_, counts_place_, starts_place_;
  int32_t* out_ = nullptr;
  bool sampled_ = false;
  std::atomic<bool> changed_{false};
};

}  // namespace hypersphere
