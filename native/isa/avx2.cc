#if defined(__x86_64__)
#define HYPERSPHERE_LEVEL_AVX2
#define HYPERSPHERE_KERNELS hypersphere_kernels_avx2
#include "../kernels/table.h"
#endif
