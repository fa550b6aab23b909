#include "call.h"

namespace hypersphere::test {

const std::vector<Group>& Groups() {
  static const std::vector<Group> groups = {ProductCalls(), SearchCalls(), GivenRowsCalls(), BatchCalls(), SoftmaxCalls(), HeadCalls(), MiningCalls()};
  return groups;
}

}  // namespace hypersphere::test
