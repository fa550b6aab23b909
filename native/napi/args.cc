#include "args.h"

#include <cmath>

#include "../cuda/context.h"

namespace hypersphere {

namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;

bool IsDetached(napi_env env, napi_value buffer) {
  bool detached = false;
  // Shared memory is no ArrayBuffer and is never detached.
  return napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached;
}

}  // namespace

Napi::Error Failure(Napi::Env env, const char* code, const std::string& argument, const std::string& expected,
                    const std::string& received) {
  Napi::Error error = Napi::Error::New(env, argument + ": expected " + expected + ", got " + received);
  Napi::Object value = error.Value();
  value.Set("code", code);
  value.Set("argument", argument);
  value.Set("expected", expected);
  value.Set("received", received);
  return error;
}

Napi::Error StatusFailure(Napi::Env env, Status status, const std::string& device) {
  if (status == Status::kAborted) return Failure(env, "ERR_ABORTED", "options.signal", "to run to the end", "an abort");
  if (status == Status::kNoDevice) return Failure(env, "ERR_NO_DEVICE", "device", "a CUDA device", device);
  if (status == Status::kDeviceOutOfMemory) return Failure(env, "ERR_OUT_OF_MEMORY", "device", "memory on the device", device);
  return Failure(env, "ERR_OUT_OF_MEMORY", "workspace", "memory for intermediate results", "a failed allocation");
}

Napi::Error StatusFailure(Napi::Env env, Status status) { return StatusFailure(env, status, cuda::Context::Failure()); }

void Expect(Napi::Env env, Status status) {
  if (status != Status::kOk) throw StatusFailure(env, status);
}

Args::Args(const Napi::CallbackInfo& info, std::initializer_list<const char*> names) : info_(info), names_(names) {
  if (info.Length() == names_.size()) return;
  throw Failure(info.Env(), "ERR_TYPE", "arguments", std::to_string(names_.size()), std::to_string(info.Length()));
}

void Args::Fail(const char* code, size_t index, const std::string& expected, const std::string& received) const {
  throw Failure(info_.Env(), code, names_[index], expected, received);
}

size_t Args::Size(size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsNumber()) Fail("ERR_TYPE", index, "a number", "another type");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= kMaxSafeInteger) || number != std::floor(number)) {
    Fail("ERR_SHAPE", index, "a non-negative integer", std::to_string(number));
  }
  return static_cast<size_t>(number);
}

int Args::Int(size_t index, int min, int max) const {
  const size_t value = Size(index);
  if (value < static_cast<size_t>(min) || value > static_cast<size_t>(max)) {
    Fail("ERR_OPTION_RANGE", index, "an integer in [" + std::to_string(min) + ", " + std::to_string(max) + "]",
         std::to_string(value));
  }
  return static_cast<int>(value);
}

double Args::Number(size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsNumber()) Fail("ERR_TYPE", index, "a number", "another type");
  return value.As<Napi::Number>().DoubleValue();
}

bool Args::Flag(size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsBoolean()) Fail("ERR_TYPE", index, "a boolean", "another type");
  return value.As<Napi::Boolean>();
}

std::string Args::Text(size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsString()) Fail("ERR_TYPE", index, "a string", "another type");
  return value.As<Napi::String>();
}

Napi::Function Args::Function(size_t index) const {
  const Napi::Value value = info_[index];
  if (!value.IsFunction()) Fail("ERR_TYPE", index, "a function", "another type");
  return value.As<Napi::Function>();
}

void* Args::Elements(size_t index, napi_typedarray_type wanted, const char* type_name, size_t rows, size_t cols) const {
  const napi_env env = info_.Env();
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer;
  // Not Napi::TypedArray::ArrayBuffer().Data(): that would ignore the byte offset, and be undefined on shared memory.
  const napi_status status = napi_get_typedarray_info(env, info_[index], &type, &length, &data, &buffer, nullptr);
  if (status != napi_ok || type != wanted) Fail("ERR_TYPE", index, type_name, "another type");
  if (IsDetached(env, buffer)) Fail("ERR_DETACHED", index, "a live buffer", "one that was transferred or detached");
  const bool overflows = cols != 0 && rows > static_cast<size_t>(kMaxSafeInteger) / cols;
  if (overflows || length != rows * cols) {
    Fail("ERR_SHAPE", index, "length " + std::to_string(rows) + " x " + std::to_string(cols),
         "length " + std::to_string(length));
  }
  return data;
}

float* Args::Floats(size_t index, size_t rows, size_t cols) const {
  return static_cast<float*>(Elements(index, napi_float32_array, "a Float32Array", rows, cols));
}

float* Args::OptionalFloats(size_t index, size_t rows, size_t cols) const {
  return info_[index].IsUndefined() ? nullptr : Floats(index, rows, cols);
}

double* Args::Doubles(size_t index, size_t length) const {
  return static_cast<double*>(Elements(index, napi_float64_array, "a Float64Array", length, 1));
}

std::vector<int32_t> Args::CopiedLabels(size_t index, size_t rows) const {
  const int32_t* given = static_cast<const int32_t*>(Elements(index, napi_int32_array, "an Int32Array", rows, 1));
  return std::vector<int32_t>(given, given + rows);
}

void Args::FailLabel(size_t index, size_t row, size_t classes, int32_t label) const {
  throw Failure(info_.Env(), "ERR_LABEL_RANGE", std::string(names_[index]) + "[" + std::to_string(row) + "]",
                "integers in [0, " + std::to_string(classes) + ")", std::to_string(label));
}

std::vector<int32_t> Args::Labels(size_t index, size_t rows, size_t classes) const {
  std::vector<int32_t> labels = CopiedLabels(index, rows);
  for (size_t i = 0; i < rows; i++) {
    if (labels[i] < 0 || static_cast<size_t>(labels[i]) >= classes) FailLabel(index, i, classes, labels[i]);
  }
  return labels;
}

std::vector<int32_t> Args::LabelsOrNone(size_t index, size_t rows, size_t classes, double ignore, bool elsewhere) const {
  std::vector<int32_t> labels = CopiedLabels(index, rows);
  for (size_t i = 0; i < rows; i++) {
    const int32_t label = labels[i];
    if (static_cast<double>(label) == ignore) {
      labels[i] = kIgnored;
    } else if (!(elsewhere && label == kElsewhere) && (label < 0 || static_cast<size_t>(label) >= classes)) {
      FailLabel(index, i, classes, label);
    }
  }
  return labels;
}

int32_t* Args::Ints(size_t index, size_t rows, size_t cols) const {
  return static_cast<int32_t*>(Elements(index, napi_int32_array, "an Int32Array", rows, cols));
}

uint16_t* Args::Halves(size_t index, size_t rows, size_t cols) const {
  return static_cast<uint16_t*>(Elements(index, napi_uint16_array, "a Uint16Array", rows, cols));
}

uint8_t* Args::Bytes(size_t index, size_t rows, size_t cols) const {
  return static_cast<uint8_t*>(Elements(index, napi_uint8_array, "a Uint8Array", rows, cols));
}

bool Args::IsHalves(size_t index) const {
  const Napi::Value value = info_[index];
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint16_array;
}

void Args::CheckApart(std::initializer_list<size_t> outputs) const {
  struct Span {
    uintptr_t begin, end;
  };
  const auto span = [&](size_t index) {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray()) return Span{0, 0};
    void* data = nullptr;
    napi_get_typedarray_info(info_.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
    const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
    return Span{begin, begin + value.As<Napi::TypedArray>().ByteLength()};
  };
  for (const size_t output : outputs) {
    const Span own = span(output);
    for (size_t other = 0; other < names_.size(); other++) {
      if (other == output) continue;
      const Span apart = span(other);
      if (own.begin < apart.end && apart.begin < own.end) {
        Fail("ERR_ALIAS", output, std::string("memory apart from ") + names_[other], "overlapping memory");
      }
    }
  }
}

std::vector<napi_value> Args::Arrays() const {
  std::vector<napi_value> arrays;
  for (size_t index = 0; index < info_.Length(); index++) {
    if (info_[index].IsTypedArray()) arrays.push_back(info_[index]);
  }
  return arrays;
}

}  // namespace hypersphere
