// The part of the CUDA driver that ../driver.py calls, on the host: memory is the host's, a stream does everything at
// once or records it, events say 0. PTX kernels are those of the library that STC_STAND_IN_KERNELS names: the executor
// of tests/plugins/ptx, with its checks. Compiled against NVIDIA's cuda.h, so that no signature is ours.
#include <cuda.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

struct CUfunc_st {
  std::string name;
};
struct CUgraph_st {
  std::vector<std::function<CUresult()>> work;
};

namespace {

std::map<CUdeviceptr, size_t> allocations;
CUgraph recorded;  // while the one stream is captured
void* kernels;
int handle;

CUresult enqueue(std::function<CUresult()> work) {
  if (!recorded) return work();
  recorded->work.push_back(std::move(work));
  return CUDA_SUCCESS;
}

template <class Handle>
CUresult give(Handle* out) {
  *out = reinterpret_cast<Handle>(&handle);
  return CUDA_SUCCESS;
}

template <class Function>
Function of_kernels(const std::string& name) {
  return reinterpret_cast<Function>(dlsym(kernels, name.c_str()));
}

bool inside(CUdeviceptr address, size_t size) {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  --next;
  return address + size <= next->first + next->second;
}

}  // namespace

extern "C" {
CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int* version) { return *version = CUDA_VERSION, CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice* device, int number) { return *device = number, CUDA_SUCCESS; }
CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  return std::snprintf(name, size, "no GPU, a stand-in on the host"), CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      return *value = 0, CUDA_SUCCESS;  // as a virtual GPU may say
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return *value = 1, CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;  // nobody asks for another
  }
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) { return give(context); }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

CUresult cuMemAlloc(CUdeviceptr* address, size_t size) {
  void* const memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
  std::memset(memory, 0xFF, size);
  *address = reinterpret_cast<CUdeviceptr>(memory);
  allocations[*address] = size;
  return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr address) {
  if (!allocations.erase(address)) return CUDA_ERROR_INVALID_VALUE;
  std::free(reinterpret_cast<void*>(address));
  return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t size, CUstream) {
  if (!inside(to, size)) return CUDA_ERROR_INVALID_VALUE;
  return enqueue([=] { return std::memcpy(reinterpret_cast<void*>(to), from, size), CUDA_SUCCESS; });
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t size, CUstream) {
  if (!inside(from, size)) return CUDA_ERROR_INVALID_VALUE;
  return enqueue([=] { return std::memcpy(to, reinterpret_cast<void*>(from), size), CUDA_SUCCESS; });
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream) {
  if (!inside(to, size)) return CUDA_ERROR_INVALID_VALUE;
  return enqueue([=] { return std::memset(reinterpret_cast<void*>(to), value, size), CUDA_SUCCESS; });
}

CUresult cuStreamCreate(CUstream* stream, unsigned) { return give(stream); }
CUresult cuStreamSynchronize(CUstream) { return recorded ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS; }
CUresult cuStreamBeginCapture(CUstream, CUstreamCaptureMode) { return recorded = new CUgraph_st, CUDA_SUCCESS; }
CUresult cuStreamEndCapture(CUstream, CUgraph* graph) {
  *graph = recorded;
  recorded = nullptr;
  return CUDA_SUCCESS;
}
CUresult cuGraphInstantiate(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  return *executable = reinterpret_cast<CUgraphExec>(graph), CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec executable, CUstream) {
  for (const auto& work : reinterpret_cast<CUgraph>(executable)->work)
    if (const CUresult result = work()) return result;
  return CUDA_SUCCESS;
}
CUresult cuLaunchHostFunc(CUstream, CUhostFn function, void* data) {  // how the library's kernels come here
  return enqueue([=] { return function(data), CUDA_SUCCESS; });
}

CUresult cuEventCreate(CUevent* event, unsigned) { return give(event); }
CUresult cuEventRecord(CUevent, CUstream) { return CUDA_SUCCESS; }
#undef cuEventElapsedTime  // the name that every release exports
CUresult cuEventElapsedTime(float* milliseconds, CUevent, CUevent) { return *milliseconds = 0, CUDA_SUCCESS; }

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  const char* const path = std::getenv("STC_STAND_IN_KERNELS");
  if (!std::strstr(static_cast<const char*>(image), ".entry") || !path) return CUDA_ERROR_INVALID_PTX;
  kernels = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return kernels ? give(module) : CUDA_ERROR_INVALID_PTX;
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  *function = new CUfunc_st{name};
  return of_kernels<void*>("run_" + (*function)->name) ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
CUresult cuLaunchKernel(CUfunction function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned,
                        unsigned shared, CUstream, void** arguments, void**) {
  const auto* layout =
      of_kernels<const unsigned*>("parameters_" + function->name);  // offset and size of each, then 0, 0
  std::vector<unsigned char> parameters;
  for (int i = 0; layout[2 * i + 1]; ++i) {
    parameters.resize(layout[2 * i] + layout[2 * i + 1]);
    std::memcpy(parameters.data() + layout[2 * i], arguments[i], layout[2 * i + 1]);
  }
  return enqueue([=] {
    of_kernels<void (*)()>("machine_reset")();
    for (const auto& [address, size] : allocations)
      of_kernels<void (*)(uint64_t, uint64_t, int)>("machine_allow")(address, size, 1);
    const unsigned grid[] = {x, y, z};
    of_kernels<void (*)(const unsigned char*, const unsigned*, unsigned, unsigned, int)>("run_" + function->name)(
        parameters.data(), grid, threads, shared, 0);
    const char* const fault = of_kernels<const char* (*)(unsigned)>("machine_fault")(0);
    if (fault) std::fprintf(stderr, "%s\n", fault);
    return fault ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
  });
}
CUresult cuGetErrorString(CUresult, const char** text) { return *text = "refused by the stand-in", CUDA_SUCCESS; }
}
