// What Triton loads in the plugin's place: tritonserver --backend-config=tensorrt,plugins=…/libstc_triton.so
//
// Triton opens a plugin's file and asks it nothing, so a plugin must register itself when it is opened. Ours registers
// nothing on its own: whoever loads it decides that, and may load it twice. So this library, once open, has TensorRT's
// registry load libstc_tensorrt.so from the folder it lies in itself. The registry's table of functions changed from
// TensorRT 10 to 11, so only the major version that this was compiled for is looked for.
#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <cstdio>
#include <string>

#define STC_TEXT_OF(number) #number
#define STC_TEXT(number) STC_TEXT_OF(number)
#define STC_TENSORRT_LIBRARY "libnvinfer.so." STC_TEXT(NV_TENSORRT_MAJOR)

namespace {

std::string beside_this_library(const char* name) {
  Dl_info info{};
  dladdr(reinterpret_cast<void*>(&beside_this_library), &info);
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "./" : path.substr(0, slash + 1)) + name;
}

__attribute__((constructor)) void load_plugin() {
  // Not loaded by us: a second TensorRT beside the server's would have a registry of its own.
  void* tensorrt = dlopen(STC_TENSORRT_LIBRARY, RTLD_NOW | RTLD_NOLOAD);
  if (tensorrt == nullptr) {
    std::fprintf(stderr, "stc: no plugin registered: " STC_TENSORRT_LIBRARY
                         " is not loaded, and this library was built for that one; do not preload it, give Triton "
                         "--backend-config=tensorrt,plugins=FILE\n");
    return;
  }
  using Registry = nvinfer1::IPluginRegistry* (*)();
  const auto registry = reinterpret_cast<Registry>(dlsym(tensorrt, "getPluginRegistry"));
  const std::string plugin = beside_this_library("libstc_tensorrt.so");
  if (registry == nullptr || registry()->loadLibrary(plugin.c_str()) == nullptr) {
    std::fprintf(stderr, "stc: no plugin registered: TensorRT cannot load %s\n", plugin.c_str());
  }
}

}  // namespace
