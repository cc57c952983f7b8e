// The CUDA kernels on the host as a shared library, with the C interface of plugins/cuda/stc_cuda.h: tests call it from
// Python beside the other implementations of the op.
#include "../cuda/c_interface.cpp"
