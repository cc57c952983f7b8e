// What TensorRT's headers need of CUDA's.
#pragma once

#include "cuda_runtime.h"

using cudaEvent_t = struct CUevent_st*;
