// The reference vectors of test/vectors/data, as much of their JSON as a flat array of numbers needs.
#pragma once

#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"

#ifndef HYPERSPHERE_VECTORS
#define HYPERSPHERE_VECTORS "test/vectors/data"
#endif

namespace hypersphere::test {

struct Array {
  std::vector<size_t> shape;
  std::vector<double> data;  // null reads as NaN

  std::vector<float> Floats() const { return std::vector<float>(data.begin(), data.end()); }
};

class VectorCase {
 public:
  explicit VectorCase(const std::string& file) : name_(file) {
    std::ifstream stream(std::string(HYPERSPHERE_VECTORS) + "/" + file);
    std::stringstream text;
    text << stream.rdbuf();
    text_ = text.str();
    CHECK(!text_.empty(), "cannot read %s", file.c_str());
  }

  const std::string& Name() const { return name_; }
  bool Has(const std::string& name) const { return text_.find("\"" + name + "\":{\"shape\"") != std::string::npos; }

  Array Get(const std::string& name) const {
    const size_t at = text_.find("\"" + name + "\":{\"shape\"");
    CHECK(at != std::string::npos, "%s has no %s", name_.c_str(), name.c_str());
    Array array;
    for (const double size : Numbers(text_.find('[', at))) array.shape.push_back(static_cast<size_t>(size));
    array.data = Numbers(text_.find('[', text_.find("\"data\"", at)));
    return array;
  }

  std::string Text(const std::string& name) const {
    const size_t start = text_.find('"', text_.find(':', text_.find("\"" + name + "\""))) + 1;
    return text_.substr(start, text_.find('"', start) - start);
  }

  double Parameter(const std::string& name) const { return Number(text_.find(':', text_.find("\"" + name + "\"")) + 1); }

  // 1e-6 + 2e-5·max|expected| + 8·hint, as the vectors' README has it.
  double Tolerance(const std::string& name, const Array& expected) const {
    double most = 0;
    for (const double value : expected.data) {
      if (value == value) most = std::max(most, value < 0 ? -value : value);
    }
    const size_t at = text_.find("\"" + name + "\"", text_.find("\"hint\""));
    const double ulp = Number(text_.find("\"input_ulp\":", at) + 12), f32 = Number(text_.find("\"f32\":", at) + 6);
    return 1e-6 + 2e-5 * most + 8 * std::max(ulp, f32);
  }

 private:
  double Number(size_t at) const { return strtod(text_.c_str() + at, nullptr); }

  std::vector<double> Numbers(size_t open) const {
    std::vector<double> numbers;
    const char* at = text_.c_str() + open + 1;
    while (*at != ']') {
      char* end;
      if (strncmp(at, "null", 4) == 0) {
        numbers.push_back(strtod("nan", nullptr));
        end = const_cast<char*>(at) + 4;
      } else {
        numbers.push_back(strtod(at, &end));
      }
      CHECK(end != at, "%s is not the JSON that was expected", name_.c_str());
      at = *end == ',' ? end + 1 : end;
    }
    return numbers;
  }

  std::string name_, text_;
};

inline std::vector<VectorCase> VectorCases(const std::string& prefix) {
  DIR* folder = opendir(HYPERSPHERE_VECTORS);
  CHECK(folder != nullptr, "no %s", HYPERSPHERE_VECTORS);
  std::vector<std::string> files;
  while (const dirent* entry = readdir(folder)) {
    const std::string file = entry->d_name;
    if (file.rfind(prefix, 0) == 0) files.push_back(file);
  }
  closedir(folder);
  std::sort(files.begin(), files.end());
  std::vector<VectorCase> cases;
  for (const std::string& file : files) cases.emplace_back(file);
  CHECK(!cases.empty(), "no vectors %s*", prefix.c_str());
  return cases;
}

inline int MetricNamed(const std::string& name) {
  const char* const names[] = {"sqeuclidean", "euclidean", "manhattan", "dot", "cosine_similarity", "cosine_distance", "snr"};
  for (int i = 0; i < 7; i++) {
    if (name == names[i]) return i;
  }
  CHECK(false, "metric %s", name.c_str());
  return -1;
}

}  // namespace hypersphere::test
