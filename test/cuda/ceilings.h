// What the device can do at most, measured on it by kernels of their own (native/cuda/ceilings).
#pragma once

namespace hypersphere::test {

struct Ceilings {
  double copied_bytes;  // a second, read and written both counted
  double flops;         // a second, a fused multiply-add counted as two
};

// Checks what the two kernels compute; only then, and on a real device alone, are they timed.
void TestCeilings();
Ceilings MeasureCeilings();

}  // namespace hypersphere::test
