// Float64 oracles of the losses over the pairs of a batch, written over all pairs from their definitions: what native/losses are tested against.
#pragma once

#include <math.h>

#include <functional>

#include "../../native/api.h"
#include "check.h"

namespace hypersphere::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Batch {
  size_t n, d, m;
  Floats rows;  // of the batch, then of the memory
  std::vector<int32_t> labels;
  size_t Columns() const { return n + m; }
  bool Own(size_t i, size_t j) const { return i != j && labels[i] == labels[j]; }
  bool Other(size_t i, size_t j) const { return labels[i] != labels[j]; }
};

inline Batch Make(size_t n, size_t d, size_t m, size_t classes, uint32_t seed) {
  Batch batch{n, d, m, Normals((n + m) * d, seed), {}};
  for (size_t i = 0; i < n + m; i++) batch.labels.push_back(static_cast<int32_t>((i * 7) % classes) - 2);
  return batch;
}

inline double Similarity(const Batch& batch, const Doubles& x, size_t i, size_t j) {
  double dot = 0, a = 0, b = 0;
  for (size_t k = 0; k < batch.d; k++) {
    const double u = x[i * batch.d + k], v = x[j * batch.d + k];
    dot += u * v;
    a += u * u;
    b += v * v;
  }
  return dot / sqrt(a * b);
}

// log(1 + e^u)
inline double Softplus(double u) { return (u > 0 ? u : 0) + log1p(exp(-fabs(u))); }

inline double Distance(const Batch& batch, const Doubles& x, size_t i, size_t j) {
  const double square = 2 - 2 * Similarity(batch, x, i, j);
  return square > 0 ? sqrt(square) : 0;
}

struct Loss {
  BatchLossKind kind;
  const char* name;
  double numbers[kMostLossNumbers];
  double slope;  // most that a row's loss moves for its similarities
  bool smooth;   // the loss is what its gradient is of; circle takes its weights as constants
  std::function<double(const Batch&, const Doubles&)> value;
};

// The mean of row(s, own, others) over the rows that have both; s[j] are similarities.
template <class Row>
double OverRows(const Batch& batch, const Doubles& x, const Row& row) {
  double sum = 0, rows = 0;
  for (size_t i = 0; i < batch.n; i++) {
    Doubles own, others;
    for (size_t j = 0; j < batch.Columns(); j++) {
      if (batch.Own(i, j)) own.push_back(Similarity(batch, x, i, j));
      if (batch.Other(i, j)) others.push_back(Similarity(batch, x, i, j));
    }
    if (own.empty() || others.empty()) continue;
    rows++;
    sum += row(own, others);
  }
  return rows > 0 ? sum / rows : 0;
}

inline double SumOf(const Doubles& values, const std::function<double(double)>& term) {
  double sum = 0;
  for (const double value : values) sum += term(value);
  return sum;
}

// Σ term(s) over the positives of row i, or over its negatives.
template <class Term>
double Over(const Batch& batch, const Doubles& x, size_t i, bool own, const Term& term) {
  double sum = 0;
  for (size_t j = 0; j < batch.Columns(); j++) {
    if (own ? batch.Own(i, j) : batch.Other(i, j)) sum += term(Similarity(batch, x, i, j));
  }
  return sum;
}

// A value at `place`, in bins, shared between the nodes around it.
inline void Share(Doubles& counts, double place) {
  for (size_t r = 0; r < counts.size(); r++) counts[r] += fmax(0, 1 - fabs(fmax(0, fmin(double(counts.size() - 1), place)) - double(r)));
}

// Of the squared distances of row i.
inline Doubles Histogram(const Batch& batch, const Doubles& x, size_t i, bool own, size_t bins) {
  Doubles counts(bins + 1);
  for (size_t j = 0; j < batch.Columns(); j++) {
    if (own ? batch.Own(i, j) : batch.Other(i, j)) Share(counts, (2 - 2 * Similarity(batch, x, i, j)) / 4 * double(bins));
  }
  return counts;
}

constexpr float kBeta = 1.1f;

inline const std::vector<Loss>& Losses() {
  static const std::vector<Loss> losses = {
      {BatchLossKind::kSupCon, "supcon", {0.2}, 10, true,
       [](const Batch& batch, const Doubles& x) {
         return OverRows(batch, x, [](const Doubles& own, const Doubles& others) {
           const auto power = [](double s) { return exp(s / 0.2); };
           const double mean = SumOf(own, [](double s) { return s / 0.2; }) / double(own.size());
           return log(SumOf(own, power) + SumOf(others, power)) - mean;
         });
       }},
      {BatchLossKind::kNtXent, "ntxent", {0.2}, 10, true,
       [](const Batch& batch, const Doubles& x) {
         double pairs = 0;
         for (size_t i = 0; i < batch.n; i++) for (size_t j = 0; j < batch.Columns(); j++) pairs += batch.Own(i, j) ? 1 : 0;
         double rows = 0;
         const double mean = OverRows(batch, x, [&](const Doubles& own, const Doubles& others) {
           rows++;
           const double all = log(SumOf(others, [](double s) { return exp(s / 0.2); }));
           return SumOf(own, [all](double s) { return Softplus(all - s / 0.2); });
         });
         return pairs > 0 ? mean * rows / pairs : 0;
       }},
      {BatchLossKind::kCircle, "circle", {0.25, 4}, 32, false,
       [](const Batch& batch, const Doubles& x) {
         return OverRows(batch, x, [](const Doubles& own, const Doubles& others) {
           const double pull = SumOf(own, [](double s) { return exp(-4 * fmax(0, 1.25 - s) * (s - 0.75)); });
           const double push = SumOf(others, [](double s) { return exp(4 * fmax(0, s + 0.25) * (s - 0.25)); });
           return Softplus(log(pull) + log(push));
         });
       }},
      {BatchLossKind::kMultiSimilarity, "multi-similarity", {2, 8, 0.5, static_cast<double>(__builtin_nanf(""))}, 8, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0;
         for (size_t i = 0; i < batch.n; i++) {
           double own = 0, others = 0;
           for (size_t j = 0; j < batch.Columns(); j++) {
             const double s = Similarity(batch, x, i, j) - 0.5;
             if (batch.Own(i, j)) own += exp(-2 * s);
             if (batch.Other(i, j)) others += exp(8 * s);
           }
           sum += log1p(own) / 2 + log1p(others) / 8;
         }
         return sum / double(batch.n);
       }},
      {BatchLossKind::kContrastive, "contrastive", {0.9, 0.1}, 2, true,
       [](const Batch& batch, const Doubles& x) {
         double own = 0, others = 0, owns = 0, all = 0;
         for (size_t i = 0; i < batch.n; i++) {
           for (size_t j = 0; j < batch.Columns(); j++) {
             if (batch.Own(i, j)) owns++, own += fmax(0, 0.9 - Similarity(batch, x, i, j));
             if (batch.Other(i, j)) all++, others += fmax(0, Similarity(batch, x, i, j) - 0.1);
           }
         }
         return own / fmax(owns, 1) + others / fmax(all, 1);
       }},
      {BatchLossKind::kLiftedStructure, "lifted structure", {1, 0, 0}, 12, true,
       [](const Batch& batch, const Doubles& x) {
         const auto negatives = [&](size_t i) {
           double sum = 0;
           for (size_t k = 0; k < batch.Columns(); k++) sum += batch.Other(i, k) && i < batch.n ? exp(1 - Distance(batch, x, i, k)) : 0;
           return sum;
         };
         double sum = 0, pairs = 0;
         for (size_t i = 0; i < batch.n; i++) {
           for (size_t j = 0; j < batch.Columns(); j++) {
             if (!batch.Own(i, j)) continue;
             pairs++;
             const double excess = fmax(0, log(negatives(i) + negatives(j)) + Distance(batch, x, i, j));
             sum += excess * excess / 2;
           }
         }
         return sum / fmax(pairs, 1);
       }},
      {BatchLossKind::kPnp, "pnp", {1, 0.1, 2, 1}, 20, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0, rows = 0;
         for (size_t i = 0; i < batch.n; i++) {
           double row = 0, members = 0;
           for (size_t j = 0; j < batch.Columns(); j++) {
             if (batch.Other(i, j)) continue;
             members++;
             double before = 0;
             for (size_t k = 0; k < batch.Columns(); k++) {
               if (batch.Other(i, k)) before += 1 / (1 + exp((Similarity(batch, x, i, j) - Similarity(batch, x, i, k)) / 0.1));
             }
             row += log1p(before);
           }
           if (members < 2) continue;
           rows++;
           sum += row / members;
         }
         return rows > 0 ? sum / rows : 0;
       }},
      {BatchLossKind::kAngular, "angular", {0.5}, 10, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0, pairs = 0;
         for (size_t a = 0; a < batch.n; a++) {
           for (size_t p = 0; p < batch.Columns(); p++) {
             if (!batch.Own(a, p)) continue;
             pairs++;
             double all = 0;
             for (size_t k = 0; k < batch.Columns(); k++) {
               if (batch.Other(a, k)) all += exp(2 * (Similarity(batch, x, a, k) + Similarity(batch, x, p, k)) - 3 * Similarity(batch, x, a, p));
             }
             sum += log1p(all);
           }
         }
         return sum / fmax(pairs, 1);
       }},
      {BatchLossKind::kTupletMargin, "tuplet margin", {0.5, 4}, 24, true,
       [](const Batch& batch, const Doubles& x) {
         double pairs = 0, sum = 0;
         for (size_t i = 0; i < batch.n; i++) {
           const double rest = log(Over(batch, x, i, false, [](double s) { return exp(4 * s); }));
           pairs += Over(batch, x, i, true, [](double) { return 1; });
           sum += Over(batch, x, i, true, [rest](double s) { return Softplus(rest - 4 * cos(acos(fmax(-1, fmin(1, s))) - 0.5)); });
         }
         return sum / fmax(pairs, 1);
       }},
      {BatchLossKind::kTcm, "tcm", {2, 0.5, 0.8, 0.1}, 8, true,
       [](const Batch& batch, const Doubles& x) {
         const auto mean = [&](bool own, double side, double margin) {
           double sum = 0, count = 0;
           for (size_t i = 0; i < batch.n; i++) {
             sum += Over(batch, x, i, own, [=](double s) { return fmax(0, side * (margin - s)); });
             count += Over(batch, x, i, own, [=](double s) { return side * (margin - s) >= 0 ? 1 : 0; });
           }
           return sum / fmax(count, 1);
         };
         return 2 * mean(true, 1, 0.8) + 0.5 * mean(false, -1, 0.1);
       }},
      {BatchLossKind::kRankedList, "ranked list", {0.4, 1.3, 0.3, 2, 3}, 32, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0;
         for (size_t i = 0; i < batch.n; i++) {
           const auto side = [&](bool own, double sign, double bound, double temperature) {
             const auto violation = [=](double s) { return fmax(0, sign * (sqrt(fmax(0, 2 - 2 * s)) - bound)); };
             const auto weight = [=](double s) { return violation(s) > 0 ? exp(temperature * violation(s)) : 0; };
             const double guard = 1e-5 * double(batch.Columns());
             return Over(batch, x, i, own, [=](double s) { return weight(s) * violation(s); }) / (guard + Over(batch, x, i, own, weight));
           };
           sum += 0.7 * side(true, 1, 0.9, 2) + 0.3 * side(false, -1, 1.3, 3);
         }
         return sum / double(batch.n);
       }},
      {BatchLossKind::kFastAp, "fast ap", {10}, 24, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0, rows = 0;
         for (size_t i = 0; i < batch.n; i++) {
           const auto own = Histogram(batch, x, i, true, 10), others = Histogram(batch, x, i, false, 10);
           const double positives = Over(batch, x, i, true, [](double) { return 1; });
           double reached = 0, all = 0, precision = 0;
           for (size_t l = 0; l <= 10; l++) {
             reached += own[l];
             all += own[l] + others[l];
             precision += all > 0 ? own[l] * reached / all : 0;
           }
           rows += positives > 0 ? 1 : 0;
           sum += positives > 0 ? 1 - precision / positives : 0;
         }
         return sum / fmax(rows, 1);
       }},
      {BatchLossKind::kMargin, "margin", {0.2, 0.3}, 16, true,
       [](const Batch& batch, const Doubles& x) {
         double sum = 0, active = 0, both = 0;
         const auto one = [](double) { return 1.0; };
         for (size_t i = 0; i < batch.n; i++) {
           const double own = Over(batch, x, i, true, one), others = Over(batch, x, i, false, one);
           both += own * others;
           for (const bool positive : {true, false}) {
             const auto term = [=](double s) { return fmax(0, (positive ? 1 : -1) * (sqrt(fmax(0, 2 - 2 * s)) - double(kBeta)) + 0.2); };
             const double times = positive ? others : own;
             sum += times * Over(batch, x, i, positive, term);
             active += times * Over(batch, x, i, positive, [term](double s) { return term(s) > 0 ? 1 : 0; });
           }
         }
         return both > 0 ? sum / fmax(active, 1) + 0.3 * double(kBeta) : 0;
       }},
      {BatchLossKind::kHistogram, "histogram", {8}, 24, true,
       [](const Batch& batch, const Doubles& x) {
         Doubles own(9), others(9);
         double owns = 0, all = 0;
         const auto positives = [&](size_t i) { return i < batch.n ? Over(batch, x, i, true, [](double) { return 1; }) : 0; };
         for (size_t i = 0; i < batch.n; i++) {
           for (size_t j = i + 1; j < batch.Columns(); j++) {
             const bool same = batch.Own(i, j);
             if (same ? positives(i) + 1 >= double(batch.Columns()) : positives(i) + positives(j) == 0) continue;
             (same ? owns : all)++;
             Share(same ? own : others, (Similarity(batch, x, i, j) + 1) * 4);
           }
         }
         double below = 0, sum = 0;
         for (size_t r = 0; r <= 8; r++) sum += others[r] * (below += own[r]);
         return sum / fmax(owns * all, 1);
       }},
  };
  return losses;
}

}  // namespace hypersphere::test
