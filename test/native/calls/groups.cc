#include "call.h"

namespace hypersphere::test {

// A new one goes last: the bytes in test/fuzz/native/corpus name groups by their place, modulo their number.
const std::vector<Group>& Groups() {
  static const std::vector<Group> groups = {ProductCalls(), SearchCalls(), GivenRowsCalls(), BatchCalls(), SoftmaxCalls(), HeadCalls(), MiningCalls()};
  return groups;
}

}  // namespace hypersphere::test
