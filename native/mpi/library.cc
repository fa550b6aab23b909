#include "library.h"

#include <type_traits>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace hypersphere {
namespace mpi {
namespace {

// Open MPI's handles are pointers and MPICH's are ints; both cross in the lower half of a register, so one type serves for both.
using Handle = intptr_t;

struct Library {
  int (*Initialized)(int* flag);
  int (*Init_thread)(int* argc, char*** argv, int required, int* provided);
  int (*Finalize)();
  int (*Comm_rank)(Handle comm, int* rank);
  int (*Comm_size)(Handle comm, int* size);
  int (*Get_library_version)(char* version, int* length);
  int (*Allgather)(const void* from, int count, Handle type, void* to, int to_count, Handle to_type, Handle comm);
  int (*Alltoall)(const void* from, int count, Handle type, void* to, int to_count, Handle to_type, Handle comm);
  Handle world, byte;
};

// Counts are ints, and some libraries sum those of all ranks in one: longer data goes in parts, which this bounds for all ranks together.
constexpr size_t kMostBytes = size_t{1} << 26;
constexpr int kLongestVersion = 8192;
constexpr int kSerialized = 2;  // MPI_THREAD_SERIALIZED; a lower level would do, since one thread of the process calls

Library library;
World started{};
bool running = false;

#if defined(_WIN32)
bool Open(const std::string&, std::string& reason) {
  reason = "not on Windows";
  return false;
}
#else
bool Find(void* handle, std::string& reason) {
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && reason.empty()) reason = std::string("the library has no ") + name;
  };
  find("MPI_Initialized", library.Initialized);
  find("MPI_Init_thread", library.Init_thread);
  find("MPI_Finalize", library.Finalize);
  find("MPI_Comm_rank", library.Comm_rank);
  find("MPI_Comm_size", library.Comm_size);
  find("MPI_Get_library_version", library.Get_library_version);
  find("MPI_Allgather", library.Allgather);
  find("MPI_Alltoall", library.Alltoall);
  void* const world = dlsym(handle, "ompi_mpi_comm_world");
  if (world != nullptr) {
    library.world = reinterpret_cast<Handle>(world);
    library.byte = reinterpret_cast<Handle>(dlsym(handle, "ompi_mpi_byte"));
  } else {
    library.world = 0x44000000;
    library.byte = 0x4c00010d;
  }
  return reason.empty();
}

bool Open(const std::string& path, std::string& reason) {
  constexpr const char* kUsual[] = {"libmpi.so.40", "libmpi.so.12", "libmpich.so.12", "libmpi.so", "libmpi.dylib"};
  void* handle = nullptr;
  if (!path.empty()) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  } else {
    for (const char* name : kUsual) {
      if ((handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) != nullptr) break;
    }
  }
  if (handle == nullptr) {
    reason = path.empty() ? "no MPI library: none of libmpi.so.40, libmpi.so.12, libmpich.so.12, libmpi.so, libmpi.dylib loads" : std::string(dlerror());
    return false;
  }
  return Find(handle, reason);
}
#endif

using Transfer = int (*)(const void* from, int count, Handle type, void* to, int to_count, Handle to_type, Handle comm);

// One collective in parts, where each rank's block of the result or of what is sent lies `bytes` apart and is longer than a part.
bool InParts(Transfer transfer, const char* from, char* to, size_t bytes, bool blocks) {
  const size_t size = static_cast<size_t>(started.size), part = kMostBytes / size;
  if (bytes <= part) {
    const int count = static_cast<int>(bytes);
    return transfer(from, count, library.byte, to, count, library.byte, library.world) == 0;
  }
  std::string sent(blocks ? part * size : 0, '\0'), received(part * size, '\0');
  for (size_t at = 0; at < bytes; at += part) {
    const size_t length = bytes - at < part ? bytes - at : part;
    const int count = static_cast<int>(length);
    for (size_t r = 0; blocks && r < size; r++) sent.replace(r * length, length, from + r * bytes + at, length);
    if (transfer(blocks ? sent.data() : from + at, count, library.byte, &received[0], count, library.byte, library.world) != 0) return false;
    for (size_t r = 0; r < size; r++) received.copy(to + r * bytes + at, length, r * length);
  }
  return true;
}

}  // namespace

bool Start(const std::string& path, World& world, std::string& reason) {
  if (!running) {
    if (!Open(path, reason)) return false;
    int flag = 0, provided = 0;
    // Somebody else in the process may have started it.
    if (library.Initialized(&flag) != 0 || (flag == 0 && library.Init_thread(nullptr, nullptr, kSerialized, &provided) != 0)) {
      reason = "MPI_Init_thread failed";
      return false;
    }
    char version[kLongestVersion] = {};
    int length = 0;
    library.Comm_rank(library.world, &started.rank);
    library.Comm_size(library.world, &started.size);
    library.Get_library_version(version, &length);
    started.version = std::string(version).substr(0, std::string(version).find_first_of(",\n"));
    running = true;
  }
  world = started;
  return true;
}

bool AllGather(const void* from, void* to, size_t bytes) {
  return running && InParts(library.Allgather, static_cast<const char*>(from), static_cast<char*>(to), bytes, false);
}

bool AllToAll(const void* from, void* to, size_t bytes) {
  return running && InParts(library.Alltoall, static_cast<const char*>(from), static_cast<char*>(to), bytes, true);
}

bool Finish() {
  if (!running) return true;
  running = false;
  return library.Finalize() == 0;
}

}  // namespace mpi
}  // namespace hypersphere
