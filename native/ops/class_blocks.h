// How a head cuts its classes: into chunks of at most kSoftmaxCols columns, over which a softmax advances, and the chunks into at most kMostBlocks
// blocks, which have sums of their own. Both depend on the number of classes alone, so neither threads nor kept memory leave a trace in the bits.
#pragma once

#include "blocks.h"

namespace hypersphere {

struct ClassBlocks {
  static constexpr size_t kMostBlocks = 64;
  struct Chunk {
    size_t first, classes, cols;
  };

  size_t classes, k, chunk_classes, chunks, block_chunks, blocks;

  ClassBlocks(size_t classes_, size_t k_)
      : classes(classes_),
        k(k_),
        chunk_classes(kSoftmaxCols / k_),
        chunks(DivideUp(classes_, chunk_classes)),
        block_chunks(DivideUp(chunks, kMostBlocks)),
        blocks(DivideUp(chunks, Most(block_chunks, 1))) {}

  Chunk ChunkAt(size_t index) const {
    const size_t first = index * chunk_classes, count = Least(chunk_classes, classes - first);
    return {first, count, count * k};
  }
  // The first chunk of a block, or past the last.
  size_t Start(size_t block) const { return Least(block * block_chunks, chunks); }
};

}  // namespace hypersphere
