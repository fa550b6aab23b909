// The PTX module: every kernel in one translation unit.
#include "kernels.inc"
