#define HYPERSPHERE_KERNELS hypersphere_kernels_baseline
#include "../kernels/table.h"
