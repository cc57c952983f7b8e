// An engine of stc from C++: plan, plugin library and graph contract, nothing of Python. NEVER EXECUTED ON A GPU.
//
//   g++ -std=c++17 -I plugins/include -I plugins/cuda -I $TENSORRT/include -I /usr/local/cuda/include
//       examples/cpp/infer.cpp -o infer -L $TENSORRT/lib -lnvinfer -L /usr/local/cuda/lib64 -lcudart -ldl
//   ./infer model-fp16/engine.plan ./libstc_tensorrt.so frame.bgr
//
// frame.bgr: uint8 (H, W, 3) BGR at the engine's input size. A plan is code: compare its SHA-256 and the library's with
// "files" and "engine" in passport.json before you run this on what somebody gave you.
#include <NvInfer.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stc/aligned_bilinear.h"
#include "stc_cuda.h"

namespace {

using nvinfer1::DataType;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

void check(cudaError_t error) {
  if (error != cudaSuccess) fail(cudaGetErrorString(error));
}

struct Logger final : nvinfer1::ILogger {
  void log(Severity severity, const char* text) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s\n", text);
  }
};

std::vector<char> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string(path) + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The graph contract (docs/graph.md), bound by name: type and number of dimensions; the batch is the first.
struct Spec {
  std::vector<DataType> types;
  int dims;
};
const std::map<std::string, Spec> kContract{
    {"frames", {{DataType::kUINT8}, 4}},     {"num_detections", {{DataType::kINT32}, 1}},
    {"boxes", {{DataType::kFLOAT}, 3}},      {"scores", {{DataType::kFLOAT}, 2}},
    {"labels", {{DataType::kINT32}, 2}},     {"masks", {{DataType::kFLOAT, DataType::kHALF}, 4}},
    {"embeddings", {{DataType::kFLOAT}, 3}},  // not where the model has no tracking head
};

size_t bytes(DataType type) { return type == DataType::kUINT8 ? 1 : type == DataType::kHALF ? 2 : 4; }

/// Device memory of one tensor.
struct Buffer {
  void* data = nullptr;
  size_t size = 0;
  nvinfer1::Dims dims{};
  DataType type{};
  template <class Number>
  std::vector<Number> host() const {
    std::vector<Number> copy(size / sizeof(Number));
    check(cudaMemcpy(copy.data(), data, size, cudaMemcpyDeviceToHost));
    return copy;
  }
};

/// Where every input pixel reads its mask cells, on the device.
stc_frame_axis axis(int cells, int pixels) {
  std::vector<int32_t> low(pixels);
  std::vector<float> shares(pixels);
  for (int o = 0; o < pixels; ++o) {
    const stc::Tap tap = stc::aligned_tap(o, pixels / cells, cells);
    low[o] = tap.low;
    shares[o] = tap.high == tap.low ? 0.0f : tap.share;
  }
  void *first = nullptr, *share = nullptr;
  check(cudaMalloc(&first, pixels * sizeof(int32_t)));
  check(cudaMalloc(&share, pixels * sizeof(float)));
  check(cudaMemcpy(first, low.data(), pixels * sizeof(int32_t), cudaMemcpyHostToDevice));
  check(cudaMemcpy(share, shares.data(), pixels * sizeof(float), cudaMemcpyHostToDevice));
  return {static_cast<int32_t*>(first), static_cast<float*>(share), pixels};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: infer engine.plan libstc_tensorrt.so frame.bgr");
  Logger logger;
  const std::unique_ptr<nvinfer1::IRuntime> runtime{nvinfer1::createInferRuntime(logger)};
  if (runtime->getPluginRegistry().loadLibrary(argv[2]) == nullptr) fail("TensorRT cannot load the plugin library");
  const std::vector<char> plan = read(argv[1]);
  const std::unique_ptr<nvinfer1::ICudaEngine> engine{runtime->deserializeCudaEngine(plan.data(), plan.size())};
  if (!engine) fail("TensorRT refuses this plan: was it built by this very version?");
  const std::unique_ptr<nvinfer1::IExecutionContext> context{engine->createExecutionContext()};

  const std::vector<char> frame = read(argv[3]);
  nvinfer1::Dims input = engine->getTensorShape("frames");
  input.d[0] = 1;
  if (!context->setInputShape("frames", input)) fail("this engine does not take one picture at a time");

  std::map<std::string, Buffer> buffers;
  for (int i = 0; i < engine->getNbIOTensors(); ++i) {
    const std::string name = engine->getIOTensorName(i);
    const auto spec = kContract.find(name);
    Buffer buffer{nullptr, 0, context->getTensorShape(name.c_str()), engine->getTensorDataType(name.c_str())};
    bool fits = spec != kContract.end() && buffer.dims.nbDims == spec->second.dims;
    if (fits) {
      fits = false;
      for (const DataType type : spec->second.types) fits = fits || type == buffer.type;
    }
    if (!fits) fail(name + ": not what the graph contract says; this is no engine of stc");
    buffer.size = bytes(buffer.type);
    for (int d = 0; d < buffer.dims.nbDims; ++d) buffer.size *= static_cast<size_t>(buffer.dims.d[d]);
    check(cudaMalloc(&buffer.data, buffer.size));
    context->setTensorAddress(name.c_str(), buffer.data);
    buffers[name] = buffer;
  }
  if (frame.size() != buffers["frames"].size) fail("the frame must be uint8 (H, W, 3) at the engine's input size");

  cudaStream_t stream;
  check(cudaStreamCreate(&stream));
  check(cudaMemcpyAsync(buffers["frames"].data, frame.data(), frame.size(), cudaMemcpyHostToDevice, stream));
  if (!context->enqueueV3(stream)) fail("TensorRT cannot run the engine");
  check(cudaStreamSynchronize(stream));

  const int count = buffers["num_detections"].host<int32_t>()[0];
  const auto boxes = buffers["boxes"].host<float>();
  const auto scores = buffers["scores"].host<float>();
  const auto labels = buffers["labels"].host<int32_t>();

  // Masks at input size, by the kernel in the plugin's library (stc_cuda.h); for a frame of another size, other axes.
  void* library = dlopen(argv[2], RTLD_NOW);
  const auto dense = reinterpret_cast<decltype(&stc_cuda_dense_masks)>(dlsym(library, "stc_cuda_dense_masks"));
  const Buffer& masks = buffers["masks"];
  const int height = static_cast<int>(input.d[1]), width = static_cast<int>(input.d[2]);
  const int rows = static_cast<int>(masks.dims.d[2]), cols = static_cast<int>(masks.dims.d[3]);
  const int stride = (width + cols - 1) / cols;  // the input is padded to a multiple of 32, so cells may reach further
  stc_frame_axis y = axis(rows, rows * stride), x = axis(cols, cols * stride);
  y.size = height, x.size = width;
  const stc_frame_masks job{masks.data, y, x, count, rows, cols};
  Buffer pixels;
  pixels.size = static_cast<size_t>(count) * height * width;
  check(cudaMalloc(&pixels.data, pixels.size + 1));
  const int32_t storage = masks.type == DataType::kHALF ? 1 : 0;
  if (count > 0 && dense(&job, storage, static_cast<uint8_t*>(pixels.data), stream) != 0) fail("no mask kernel");
  check(cudaStreamSynchronize(stream));
  const auto set = pixels.host<uint8_t>();

  for (int i = 0; i < count; ++i) {
    size_t area = 0;
    for (size_t p = 0; p < static_cast<size_t>(height) * width; ++p) area += set[i * size_t(height) * width + p];
    const float* box = &boxes[4 * i];
    std::printf("class %d, score %.3f, box %.1f %.1f %.1f %.1f, %zu pixels\n", labels[i], scores[i], box[0], box[1],
                box[2], box[3], area);
  }
  return 0;  // the process ends here, and its device memory with it
}
