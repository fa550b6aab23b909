// One call of an op with all its arrays. Each lies on the heap by itself and ends where its memory ends, so that a sanitizer sees one element
// too many; it starts wherever the source says, as a view into a buffer of JavaScript's may.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "source.h"

namespace hypersphere::test {

class Call {
 public:
  explicit Call(Source& from) : source(from) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    for (const Array& array : arrays_) free(array.memory);
  }

  Source& source;
  std::function<Status(const std::atomic<bool>*)> run;

  // Inputs.
  const float* Rows(size_t rows, size_t d) { return Filled(rows, d, false); }
  const float* OptionalRows(size_t rows, size_t d) { return source.Flag() ? Rows(rows, d) : nullptr; }
  template <class T>
  const T* Given(const std::vector<T>& values) {
    return static_cast<const T*>(Copied(values.data(), values.size(), sizeof(T), Type::kOther, false));
  }
  const uint16_t* HalfRows(size_t rows, size_t d) { return Halves(rows, d, false); }
  // Any int32; or in [0, classes).
  const int32_t* AnyLabels(size_t n) {
    const uint32_t kinds = 1 + source.Byte() % 8;
    const int32_t first = source.Of<int32_t>({0, -1, INT32_MIN, INT32_MAX - 7, 1 << 20});
    return Labels(n, [&](uint32_t drawn) { return first + static_cast<int32_t>(drawn % kinds); });
  }
  const int32_t* ClassLabels(size_t n, size_t classes, std::initializer_list<int32_t> others = {}) {
    return Labels(n, [&](uint32_t drawn) {
      const bool other = classes == 0 || (others.size() > 0 && drawn % 4 == 0);
      return other ? others.begin()[drawn / 4 % others.size()] : static_cast<int32_t>(drawn / 4 % classes);
    });
  }

  // Outputs, and what is read and written.
  template <class T>
  T* Result(size_t count) {
    const std::vector<uint8_t> sentinel(count * sizeof(T), 0xa5);
    return static_cast<T*>(Copied(sentinel.data(), count, sizeof(T), TypeOf(T{}), true));
  }
  float* OptionalResult(size_t count) { return source.Flag() ? Result<float>(count) : nullptr; }
  float* MovedRows(size_t rows, size_t d) { return const_cast<float*>(Filled(rows, d, true)); }
  uint16_t* MovedHalves(size_t rows, size_t d) { return const_cast<uint16_t*>(Halves(rows, d, true)); }

  // All arrays as they were before the first call.
  void Restore() {
    for (const Array& array : arrays_) Write(array);
  }
  // The bytes of what the op may write, every NaN as one.
  std::vector<uint8_t> Outputs() const {
    std::vector<uint8_t> all;
    for (const Array& array : arrays_) {
      if (!array.written) continue;
      const size_t from = all.size();
      all.insert(all.end(), array.Bytes(), array.Bytes() + array.before.size());
      if (array.type == Type::kFloat) OneNaN<float>(all.data() + from, array.before.size());
      if (array.type == Type::kDouble) OneNaN<double>(all.data() + from, array.before.size());
      if (array.type == Type::kHalf) OneHalfNaN(all.data() + from, array.before.size());
    }
    return all;
  }
  // Where two of these differ: array, counted from 0 among all, element and both values.
  std::string Difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) const {
    size_t from = 0;
    for (size_t index = 0; index < arrays_.size(); from += arrays_[index].written ? arrays_[index].before.size() : 0, index++) {
      const Array& array = arrays_[index];
      const size_t size = array.type == Type::kDouble ? sizeof(double) : array.type == Type::kFloat ? sizeof(float) : 1;
      for (size_t at = 0; array.written && at < array.before.size(); at += size) {
        if (memcmp(&a[from + at], &b[from + at], size) == 0) continue;
        return "array " + std::to_string(index) + " of " + std::to_string(array.before.size() / size) + " at " + std::to_string(at / size) + ": " +
               Shown(&a[from + at], array.type) + " and " + Shown(&b[from + at], array.type);
      }
    }
    return "nowhere";
  }
  bool Untouched(bool outputs_too) const {
    for (const Array& array : arrays_) {
      const bool counts = outputs_too || !array.written;
      if (counts && !array.before.empty() && memcmp(array.Bytes(), array.before.data(), array.before.size()) != 0) return false;
    }
    return true;
  }

 private:
  enum class Type { kFloat, kDouble, kHalf, kOther };
  static Type TypeOf(float) { return Type::kFloat; }
  static Type TypeOf(double) { return Type::kDouble; }
  static Type TypeOf(int32_t) { return Type::kOther; }
  static Type TypeOf(uint16_t) { return Type::kHalf; }

  struct Array {
    void* memory;
    size_t offset;
    std::vector<uint8_t> before;
    Type type;
    bool written;
    uint8_t* Bytes() const { return static_cast<uint8_t*>(memory) + offset; }
  };

  static std::string Shown(const uint8_t* bytes, Type type) {
    float single;
    double value = *bytes;
    if (type == Type::kFloat) memcpy(&single, bytes, sizeof(single)), value = static_cast<double>(single);
    if (type == Type::kDouble) memcpy(&value, bytes, sizeof(value));
    char text[32];
    snprintf(text, sizeof(text), "%.9g", value);
    return text;
  }

  template <class T>
  static void OneNaN(uint8_t* bytes, size_t size) {
    for (size_t at = 0; at < size; at += sizeof(T)) {
      T value;
      memcpy(&value, bytes + at, sizeof(T));
      if (value != value) memset(bytes + at, 0xff, sizeof(T));
    }
  }

  static void OneHalfNaN(uint8_t* bytes, size_t size) {
    for (size_t at = 0; at < size; at += 2) {
      uint16_t value;
      memcpy(&value, bytes + at, sizeof(value));
      if ((value & 0x7fff) > 0x7f80) memset(bytes + at, 0xff, sizeof(value));
    }
  }

  static void Write(const Array& array) {
    if (!array.before.empty()) memcpy(array.Bytes(), array.before.data(), array.before.size());
  }

  void* Copied(const void* values, size_t count, size_t size, Type type, bool written) {
    const uint32_t place = source.Byte();
    // JavaScript's empty arrays may have no memory at all.
    if (count == 0 && place % 2 == 1) return nullptr;
    Array array{nullptr, size * (place % 3 == 0 ? place / 3 % 16 : 0), std::vector<uint8_t>(count * size), type, written};
    array.memory = malloc(array.offset + count * size);
    CHECK(array.memory != nullptr || array.offset + count * size == 0, "memory of the test itself");
    if (count > 0) memcpy(array.before.data(), values, count * size);
    Write(array);
    arrays_.push_back(array);
    return array.Bytes();
  }

  const float* Filled(size_t rows, size_t d, bool written) {
    std::vector<float> values(rows * d);
    source.Fill(values.data(), values.size(), d);
    return static_cast<const float*>(Copied(values.data(), values.size(), sizeof(float), Type::kFloat, written));
  }

  const uint16_t* Halves(size_t rows, size_t d, bool written) {
    std::vector<float> values(rows * d);
    source.Fill(values.data(), values.size(), d);
    std::vector<uint16_t> halves(values.size());
    for (size_t i = 0; i < values.size(); i++) {
      uint32_t bits;
      memcpy(&bits, &values[i], sizeof(bits));
      halves[i] = static_cast<uint16_t>(bits >> 16);
    }
    return static_cast<const uint16_t*>(Copied(halves.data(), halves.size(), sizeof(uint16_t), Type::kHalf, written));
  }

  template <class Make>
  const int32_t* Labels(size_t n, const Make& make) {
    Random random(source.Byte());
    std::vector<int32_t> labels(n);
    for (int32_t& label : labels) label = make(random.Next() >> 8);
    return Given(labels);
  }

  std::vector<Array> arrays_;
};

// What there is to call, by groups that are fuzzed apart. `build` draws valid arguments of any shape and value.
struct Callable {
  const char* name;
  void (*build)(Call& call, int choice);
  int choice;  // of a family: the loss, the margin, the rule
};
struct Group {
  const char* name;
  std::vector<Callable> calls;
};
const std::vector<Group>& Groups();

// One function for each group's file.
Group ProductCalls();
Group SearchCalls();
Group GivenRowsCalls();
Group BatchCalls();
Group SoftmaxCalls();
Group HeadCalls();
Group MiningCalls();

}  // namespace hypersphere::test
