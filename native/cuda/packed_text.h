// Long texts as the addon carries them: PTX is an eighth of its size when packed. scripts/packed-text.mjs packs.
//
// A text is repeats of what came before (a distance, or the last one again, and a length) and single bytes. Each decision is one bit of an adaptive
// binary arithmetic coder, whose chances are those of the decision's context: for a byte the byte before, for a number what is known of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace hypersphere {
namespace cuda {

struct PackedText {
  const uint64_t* words;  // eight bytes each, the first one lowest
  size_t bytes, size;     // packed, and of the text
  uint32_t checksum;      // FNV-1a of the text
};

// False where the text is not what was packed, whatever the bytes are.
bool Unpack(const PackedText& packed, std::string& text);

}  // namespace cuda
}  // namespace hypersphere
