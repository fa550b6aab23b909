// Numbers that the environment gives the stand-in.
#pragma once

#include <stddef.h>
#include <stdlib.h>

namespace hypersphere {
namespace simt {

inline size_t Setting(const char* name, size_t otherwise) {
  const char* const text = getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : static_cast<size_t>(strtoull(text, nullptr, 10));
}

}  // namespace simt
}  // namespace hypersphere
