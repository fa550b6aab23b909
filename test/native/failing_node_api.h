// Calls of Node-API that fail on demand, as allocations.h has it for memory.
#pragma once

namespace hypersphere::test {

// The `which`th call from now on of those in failing_node_api.cc fails, counted from 1. Until DisarmNodeApi, which says whether it has.
void FailNodeApi(int which);
bool DisarmNodeApi();

}  // namespace hypersphere::test
