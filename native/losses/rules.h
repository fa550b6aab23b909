// The losses that a sweep over rows computes, on CPU and device.
#pragma once

#include "circle.h"
#include "contrastive.h"
#include "fast_ap.h"
#include "histogram.h"
#include "intra_pair_variance.h"
#include "lifted_structure.h"
#include "margin.h"
#include "multi_similarity.h"
#include "nca.h"
#include "ntxent.h"
#include "pnp.h"
#include "ranked_list.h"
#include "supcon.h"
#include "tcm.h"
#include "tuplet_margin.h"
