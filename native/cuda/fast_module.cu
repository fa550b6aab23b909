// The PTX module for compute capability 8.0 and later, beside module.cu's.
#include "kernels/fast_product.cu"
