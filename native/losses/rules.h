// The losses that a sweep over rows computes, on CPU and device.
#pragma once

#include "circle.h"
#include "contrastive.h"
#include "multi_similarity.h"
#include "ntxent.h"
#include "supcon.h"
