// What cuda_tests has, a file each.
#pragma once

namespace hypersphere::test {

void TestKernels();
void TestNeighbours();
void TestCentersOfClasses();
void TestSoftmaxes();
void TestHeads();
void TestTriplets();
void TestProxies();
void TestRowLosses();
void TestFast();
void TestStreams();
// Every margin and option over few classes, for where a launch takes long.
void TestSmallHeads();

// On a real device, that is; the stand-in runs the same, small, and no time is taken.
void TimeOps(bool simulated);

}  // namespace hypersphere::test
