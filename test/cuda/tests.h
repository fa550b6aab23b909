// What cuda_tests has, a file each.
#pragma once

namespace hypersphere::test {

void TestKernels();
void TestNeighbours();
void TestCentersOfClasses();
void TestSoftmaxes();
void TestHeads();
void TestFast();

}  // namespace hypersphere::test
