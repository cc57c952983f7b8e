// The emulation of plugins/tests, whose kernels run on a stream of driver.cpp: so they can be captured into its graphs.
#pragma once
#define cudaLaunchKernel launch_at_once
#include "../../../plugins/tests/emulation/cuda_runtime.h"
#undef cudaLaunchKernel

extern "C" int cuLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data);

template <class... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t stream) {
  // A launch takes copies of its arguments. They are never freed: a graph may run any number of times.
  auto* const work = [&]<size_t... Index>(std::index_sequence<Index...>) {
    return new std::function<void()>(
        [=, values = std::tuple(*static_cast<std::decay_t<Parameters>*>(arguments[Index])...)]() mutable {
          void* copies[] = {&std::get<Index>(values)...};
          launch_at_once(kernel, grid, block, copies, shared, stream);
        });
  }(std::index_sequence_for<Parameters...>{});
  cuLaunchHostFunc(stream, [](void* data) { (*static_cast<std::function<void()>*>(data))(); }, work);
  return cudaSuccess;
}
