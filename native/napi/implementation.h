// Who computes what both the CPU and the device can: one set of functions reads the arguments for both, and its callback data says whose
// op it calls.
#pragma once

#include "../api.h"
#include "../cuda/ops/ops.h"
#include "../ops/ops.h"
#include "function.h"

namespace hypersphere {

template <class Op>
using Run = Status (*)(const Op& op, const std::atomic<bool>* cancel);

struct Implementation {
  Run<MatmulOp> matmul;
  Run<DistancesOp> distances;
  Run<DistancesGradientOp> distances_gradient;
  Run<NormalizeOp> normalize;
  Run<NormalizeGradientOp> normalize_gradient;
  Run<NearestOp> nearest;
  Run<CenterLossOp> center_loss;
  Run<UpdateCentersOp> update_centers;
  Run<SoftmaxOp> softmax;
  Run<CrossEntropyOp> cross_entropy;
  Run<MarginSoftmaxOp> margin_softmax;
  Run<BatchTripletOp> batch_triplet;  // the device without `swap`
  Run<BatchLossOp> batch_loss;
  Run<ContrastiveOp> contrastive;
  Run<TripletOp> triplet;  // the device with plain norms (cuda/ops/ops.h)
  bool on_device, fast;
};

constexpr Implementation kCpu{Matmul,  Distances,    DistancesGradient, Normalize,    NormalizeGradient, Nearest,     CenterLoss, UpdateCenters,
                              Softmax, CrossEntropy, MarginSoftmax,     BatchTriplet, BatchLoss,         Contrastive, Triplet,    false,         false};
constexpr Implementation kDevice{cuda::Matmul,     cuda::Distances,     cuda::DistancesGradient, cuda::Normalize,    cuda::NormalizeGradient, cuda::Nearest,
                                 cuda::CenterLoss, cuda::UpdateCenters, cuda::Softmax,           cuda::CrossEntropy, cuda::MarginSoftmax,     cuda::BatchTriplet,
                                 cuda::BatchLoss,  cuda::Contrastive,   cuda::Triplet,           true,               false};
constexpr Implementation kFastDevice{cuda::fast::Matmul,      cuda::fast::Distances, cuda::DistancesGradient,   cuda::Normalize,
                                     cuda::NormalizeGradient, cuda::fast::Nearest,   cuda::CenterLoss,          cuda::UpdateCenters,
                                     cuda::Softmax,           cuda::CrossEntropy,    cuda::fast::MarginSoftmax, cuda::BatchTriplet,
                                     cuda::BatchLoss,         cuda::Contrastive,     cuda::Triplet,             true,                      true};

inline const Implementation& ImplementationOf(const Napi::CallbackInfo& info) { return *static_cast<const Implementation*>(info.Data()); }

template <class Callback>
void ExportFor(const Implementation& who, Napi::Object exports, const char* name, Callback callback) {
  exports.Set(name, FunctionOf(exports.Env(), callback, name, const_cast<Implementation*>(&who)));
}

void ExportMatmul(const Implementation& who, Napi::Object exports);
void ExportDistances(const Implementation& who, Napi::Object exports);
void ExportNormalize(const Implementation& who, Napi::Object exports);
void ExportNearest(const Implementation& who, Napi::Object exports);
void ExportCenters(const Implementation& who, Napi::Object exports);
void ExportSoftmax(const Implementation& who, Napi::Object exports);
void ExportMarginSoftmax(const Implementation& who, Napi::Object exports);
void ExportTriplet(const Implementation& who, Napi::Object exports);
void ExportBatchLosses(const Implementation& who, Napi::Object exports);
void ExportGivenRows(const Implementation& who, Napi::Object exports);
// Of the device alone.
void ExportResident(Napi::Object exports);

}  // namespace hypersphere
