// The CUDA kernels on the host as a shared library, with the C interface of plugins/cuda/stc_cuda.h: tests call it from
// Python beside the other implementations of the op.
#include "../cuda/c_interface.cpp"

/// Launches go to `recorder` from now on, nullptr: run here.
extern "C" __attribute__((visibility("default"))) void emulation_record(emulation::Recorder recorder) {
  emulation::recorder = recorder;
}
