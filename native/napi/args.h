// Arguments of a call into the addon: positional, numbers, booleans, typed arrays and our own functions only, so that reading
// them runs no JavaScript and a pointer taken from one stays good while the others are read. lib/ has checked everything
// before; what is checked again here is what memory safety needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "../api.h"
#include "setup.h"

namespace hypersphere {

// An Error that lib/native/binding.ts turns into a HypersphereError with the same fields.
Napi::Error Failure(Napi::Env env, const char* code, const std::string& argument, const std::string& expected,
                    const std::string& received);

// What a status other than kOk becomes. `device`: what the device said in the thread that ran the op (cuda/context.h).
Napi::Error StatusFailure(Napi::Env env, Status status, const std::string& device);
Napi::Error StatusFailure(Napi::Env env, Status status);  // which was this one
void Expect(Napi::Env env, Status status);  // throws what is not kOk as that failure

class Args {
 public:
  // `names` in call order; throws when the call has another number of arguments.
  Args(const Napi::CallbackInfo& info, std::initializer_list<const char*> names);

  // An integer in [0, 2^53).
  size_t Size(size_t index) const;
  // An integer in [min, max].
  int Int(size_t index, int min, int max) const;
  double Number(size_t index) const;
  bool Flag(size_t index) const;
  std::string Text(size_t index) const;
  Napi::Function Function(size_t index) const;
  // The elements of a Float32Array of exactly rows * cols elements, its byte offset included. Valid until JavaScript runs
  // again, or for as long as the caller keeps private or shared memory alive.
  float* Floats(size_t index, size_t rows, size_t cols) const;
  // The same, or null where the argument is undefined.
  float* OptionalFloats(size_t index, size_t rows, size_t cols) const;
  double* Doubles(size_t index, size_t length) const;
  // A private copy of an Int32Array of labels, each read once and then found in [0, classes): the array itself may be
  // shared memory, which another thread changes after lib/ has checked it.
  std::vector<int32_t> Labels(size_t index, size_t rows, size_t classes) const;
  // The same where a label may be `ignore`, which becomes kIgnored, or kElsewhere if that is allowed.
  std::vector<int32_t> LabelsOrNone(size_t index, size_t rows, size_t classes, double ignore, bool elsewhere) const;
  // The same of an Int32Array, of a Uint16Array and of a Uint8Array.
  int32_t* Ints(size_t index, size_t rows, size_t cols) const;
  uint16_t* Halves(size_t index, size_t rows, size_t cols) const;
  uint8_t* Bytes(size_t index, size_t rows, size_t cols) const;
  bool IsHalves(size_t index) const;
  bool IsPresent(size_t index) const { return !info_[index].IsUndefined(); }

  // Throws unless these arguments share no memory with any other typed array of the call. lib/ has compared their buffers, but
  // two SharedArrayBuffer objects may stand for the same memory, which only addresses can tell.
  void CheckApart(std::initializer_list<size_t> outputs) const;

  Napi::Env Env() const { return info_.Env(); }
  // The typed arrays among the arguments, for a task to keep alive.
  std::vector<napi_value> Arrays() const;

 private:
  std::vector<int32_t> CopiedLabels(size_t index, size_t rows) const;
  [[noreturn]] void FailLabel(size_t index, size_t row, size_t classes, int32_t label) const;
  void* Elements(size_t index, napi_typedarray_type wanted, const char* type_name, size_t rows, size_t cols) const;
  [[noreturn]] void Fail(const char* code, size_t index, const std::string& expected, const std::string& received) const;

  const Napi::CallbackInfo& info_;
  std::vector<const char*> names_;
};

}  // namespace hypersphere
