// All kernels of one level behind the one symbol that leaves its translation unit, HYPERSPHERE_KERNELS.
#pragma once

#include "coarse.h"
#include "distances.h"
#include "distances_gradient.h"
#include "given_rows.h"
#include "normalize.h"
#include "nearest.h"
#include "ranks.h"
#include "row_bands.h"
#include "row_terms.h"
#include "softmax.h"
#include "weights.h"
#include "store.h"

extern "C" const hypersphere::KernelTable HYPERSPHERE_KERNELS;

namespace hypersphere {
namespace {
#if defined(HYPERSPHERE_LEVEL_AVX512)
constexpr CoarseKernels kCoarseKernels = {QuantizeRows, CoarseColumns, Settle};
constexpr const CoarseKernels* kCoarse = &kCoarseKernels;
#else
constexpr const CoarseKernels* kCoarse = nullptr;
#endif
}  // namespace
}  // namespace hypersphere

const hypersphere::KernelTable HYPERSPHERE_KERNELS = {
    hypersphere::kTileRows,   hypersphere::kTileCols,           hypersphere::kLeftWidth,  hypersphere::PackLeft,
    hypersphere::PackRight,   hypersphere::NormsLeft,           hypersphere::NormsRight,  hypersphere::InvertNorms,
    hypersphere::PanelStart,
    hypersphere::Multiply,    hypersphere::MultiplyToDistances, hypersphere::RowMoments,  hypersphere::Differences,
    hypersphere::GradientRows,
    hypersphere::NormalizeRows, hypersphere::NormalizeGradientRows,
    hypersphere::MultiplyToNearest,   hypersphere::RowProducts, hypersphere::DotsToNearest,
    hypersphere::ValuesToNearest,   hypersphere::BoundLists,          hypersphere::DecodeRanks,         hypersphere::CountBefore, hypersphere::Widen,       hypersphere::Narrow,
    hypersphere::ScaleLogits, hypersphere::SoftmaxForward, hypersphere::SoftmaxBackward, hypersphere::SoftmaxRows,
    hypersphere::UnitScales,
    hypersphere::ThroughUnitRows, hypersphere::UpdateWeights, hypersphere::NarrowStochastic,
    hypersphere::StoreBlock,  hypersphere::StoreTransposed, hypersphere::kCoarse,
    hypersphere::kRowTerms, hypersphere::kGivenRows,  hypersphere::kRowBands,
};
