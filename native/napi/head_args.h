// How a head's op crosses: its arguments in the order of lib/native/softmax.ts.
#pragma once

#include <memory>
#include <vector>

#include "../cuda/ops/resident.h"
#include "args.h"

namespace hypersphere {

// The op and what it points to beside the arrays of the call.
struct HeadCall {
  MarginSoftmaxOp op{};
  WeightUpdate update{};
  std::vector<int32_t> labels, rows;
};

Args HeadArgs(const Napi::CallbackInfo& info);
// `kept`: weights and state that stay on the device, in place of those arguments; or null.
std::shared_ptr<HeadCall> ReadHead(const Args& args, const cuda::ResidentRows* kept);

}  // namespace hypersphere
