#if defined(__x86_64__)
#define HYPERSPHERE_LEVEL_AVX512
#define HYPERSPHERE_KERNELS hypersphere_kernels_avx512
#include "../kernels/table.h"
#endif
