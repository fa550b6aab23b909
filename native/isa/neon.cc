#if defined(__aarch64__)
#define HYPERSPHERE_LEVEL_NEON
#define HYPERSPHERE_KERNELS hypersphere_kernels_neon
#include "../kernels/table.h"
#endif
