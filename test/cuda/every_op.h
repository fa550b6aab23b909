// Each op of the device once, small, for what must hold of all of them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "../../native/api.h"

namespace hypersphere::test {

// What a call writes: arrays of sevens at first, and those that it moves.
class Results {
 public:
  float* Floats(size_t count) { return Add(floats_, std::vector<float>(count, 7)); }
  double* Doubles(size_t count) { return Add(doubles_, std::vector<double>(count, 7)); }
  int32_t* Ints(size_t count) { return Add(ints_, std::vector<int32_t>(count, 7)); }
  float* Moved(const std::vector<float>& from) { return Add(moved_, from); }
  uint16_t* Moved(const std::vector<uint16_t>& from) { return Add(halves_, from); }

  bool Untouched() const { return Same(floats_) && Same(doubles_) && Same(ints_) && !AnyMoved(); }
  bool AnyMoved() const { return !Same(moved_) || !Same(halves_); }
  // What moves, and all of it.
  std::vector<double> AllMoved() const;
  std::vector<double> All() const;

 private:
  template <class T>
  struct Array {
    std::vector<T> now, before;
  };
  template <class T>
  static T* Add(std::deque<Array<T>>& to, const std::vector<T>& values) {
    to.push_back({values, values});
    return to.back().now.data();
  }
  template <class T>
  static bool Same(const std::deque<Array<T>>& arrays) {
    for (const Array<T>& array : arrays) {
      if (array.now != array.before) return false;
    }
    return true;
  }

  std::deque<Array<float>> floats_, moved_;
  std::deque<Array<double>> doubles_;
  std::deque<Array<int32_t>> ints_;
  std::deque<Array<uint16_t>> halves_;
};

// Of the device alone, and not to the CPU's bits; moves rows of the host, as a whole or not at all; moves them in waves; of an object's own stream.
enum class Kind { kPlain, kFast, kMoves, kMovesInWaves, kStays };
struct Op {
  std::string name;
  Kind kind;
  Status (*run)(bool device, Results& results);
};
const std::vector<Op>& EveryOp();

}  // namespace hypersphere::test
