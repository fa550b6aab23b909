// An MPI library that is on the machine, opened when it is asked for: nothing of MPI is needed to build or to run the rest. Two families of binary
// interfaces are known, whose handles differ: Open MPI's are addresses inside of the library, MPICH's (and Intel MPI's, MVAPICH's) are
// numbers. Bytes are all that is sent, so that no other handle is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hypersphere {
namespace mpi {

struct World {
  int rank, size;
  std::string version;
};

// Initialises MPI once in this process, by the library `path` or, where it is empty, the first of the usual names. False with a reason.
bool Start(const std::string& path, World& world, std::string& reason);
// The data of all ranks in their order: to [size · bytes].
bool AllGather(const void* from, void* to, size_t bytes);
// Block r of `from`, `bytes` long, to rank r; what each rank sent in its order.
bool AllToAll(const void* from, void* to, size_t bytes);
// After it nothing can be sent. Waits for all ranks.
bool Finish();

}  // namespace mpi
}  // namespace hypersphere
