// What each domain adds to the addon's exports.
#pragma once

#include "setup.h"

namespace hypersphere {

// matmul, distances, normalize and its gradient, nearest and galleries by the CPU; the same and more about the device under `cuda`.
void ExportShared(Napi::Env env, Napi::Object exports);
void ExportRanks(Napi::Env env, Napi::Object exports);
void ExportProxyAnchor(Napi::Env env, Napi::Object exports);
void ExportMining(Napi::Env env, Napi::Object exports);
void ExportMemory(Napi::Env env, Napi::Object exports);
void ExportBfloat16(Napi::Env env, Napi::Object exports);
void ExportHardmax(Napi::Env env, Napi::Object exports);
void ExportMpi(Napi::Env env, Napi::Object exports);
#ifdef HYPERSPHERE_FAILING_ALLOCATIONS
void ExportAllocations(Napi::Env env, Napi::Object exports);  // test/native/addon_allocations.cc
#endif

}  // namespace hypersphere
