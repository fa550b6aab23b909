// The transport of lib/integrations/mpi.ts: bytes between the ranks of an MPI job. Calls block, as collectives do.
#include "../mpi/library.h"
#include "function.h"
#include "ops.h"

namespace hypersphere {
namespace {

// {rank, size, library}
Napi::Value StartMpi(const Napi::CallbackInfo& info) {
  mpi::World world;
  std::string reason;
  if (!mpi::Start(Args(info, {"library"}).Text(0), world, reason)) throw Failure(info.Env(), "ERR_NO_DEVICE", "library", "an MPI library", reason);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("rank", world.rank);
  result.Set("size", world.size);
  result.Set("library", world.version);
  return result;
}

using Transfer = bool (*)(const void* from, void* to, size_t bytes);

using Transfer = bool (*)(const void* from, void* to, size_t bytes);

// (from, to, ranks that `from` holds a block for, those that `to` has, bytes of a block)
void Run(const Napi::CallbackInfo& info, Transfer transfer) {
  const Args args(info, {"from", "to", "fromBlocks", "toBlocks", "bytes"});
  const size_t bytes = args.Size(4);
  const void* const from = args.Bytes(0, args.Size(2), bytes);
  void* const to = args.Bytes(1, args.Size(3), bytes);
  args.CheckApart({1});
  if (!transfer(from, to, bytes)) throw Failure(info.Env(), "ERR_ABORTED", "collective", "every rank of the MPI job to take part", "an error of MPI");
}

void AllGather(const Napi::CallbackInfo& info) { Run(info, mpi::AllGather); }
void AllToAll(const Napi::CallbackInfo& info) { Run(info, mpi::AllToAll); }
void Finish(const Napi::CallbackInfo&) { mpi::Finish(); }

}  // namespace

void ExportMpi(Napi::Env env, Napi::Object exports) {
  exports.Set("mpiStart", FunctionOf(env, StartMpi, "mpiStart"));
  exports.Set("mpiAllGather", FunctionOf(env, AllGather, "mpiAllGather"));
  exports.Set("mpiAllToAll", FunctionOf(env, AllToAll, "mpiAllToAll"));
  exports.Set("mpiFinish", FunctionOf(env, Finish, "mpiFinish"));
}

}  // namespace hypersphere
