#include "mask_head_plugin.h"

#include <stdexcept>
#include <string>

#include "launch.h"
#include "logging.h"

namespace stc::tensorrt {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

enum Input { kFeatures, kParams, kLocations, kSizes, kCount, kInputs };
constexpr int32_t kRanks[kInputs] = {4, 3, 3, 2, 1};

std::string text(const Dims& dims) {
  std::string result = "(";
  for (int32_t i = 0; i < dims.nbDims; ++i) result += (i ? ", " : "") + std::to_string(dims.d[i]);
  return result + ")";
}

/// Equal, or not known yet (-1) while an engine with free sizes is built.
bool fits(int64_t found, int64_t expected) { return found == expected || found < 0 || expected < 0; }

/// Throws std::invalid_argument where the inputs do not belong to one op with these attributes.
void check_inputs(const Attributes& attributes, const Dims (&dims)[kInputs], int32_t input_count) {
  if (input_count != kInputs) {
    throw std::invalid_argument("five inputs are needed, found " + std::to_string(input_count));
  }
  for (int i = 0; i < kInputs; ++i) {
    if (dims[i].nbDims != kRanks[i]) {
      throw std::invalid_argument("input " + std::to_string(i) + " must have " + std::to_string(kRanks[i]) +
                                  " dimensions, found " + text(dims[i]));
    }
  }
  const Dims &features = dims[kFeatures], &params = dims[kParams];
  bool sound = fits(features.d[1], attributes.channels()) && fits(params.d[2], attributes.params()) &&
               fits(dims[kLocations].d[2], 2);
  for (int i = 1; i < kInputs; ++i) sound = sound && fits(dims[i].d[0], features.d[0]);
  for (int i : {kLocations, kSizes}) sound = sound && fits(dims[i].d[1], params.d[1]);
  if (!sound) {
    throw std::invalid_argument("inputs must be (B, " + std::to_string(attributes.channels()) + ", h, w), (B, K, " +
                                std::to_string(attributes.params()) + "), (B, K, 2), (B, K), (B); found " +
                                text(dims[0]) + ", " + text(dims[1]) + ", " + text(dims[2]) + ", " + text(dims[3]) +
                                ", " + text(dims[4]));
  }
}

/// The call without its pointers.
DynamicMaskHead sized(const Attributes& attributes, const PluginTensorDesc* inputs) {
  DynamicMaskHead op{};
  op.batch = static_cast<int32_t>(inputs[kFeatures].dims.d[0]);
  op.instances = static_cast<int32_t>(inputs[kParams].dims.d[1]);
  op.height = static_cast<int32_t>(inputs[kFeatures].dims.d[2]);
  op.width = static_cast<int32_t>(inputs[kFeatures].dims.d[3]);
  op.channels = attributes.channels();
  op.layers = attributes.layers();
  op.stride = attributes.stride();
  op.upsample = attributes.upsample();
  op.storage = inputs[kFeatures].type == DataType::kHALF ? Storage::kHalf : Storage::kFloat;
  return op;
}

}  // namespace

nvinfer1::IPluginCapability* MaskHeadPlugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  return nullptr;
}

nvinfer1::IPluginV3* MaskHeadPlugin::clone() noexcept {
  return guarded<nvinfer1::IPluginV3*>(nullptr, [&] { return new MaskHeadPlugin(attributes_); });
}

int32_t MaskHeadPlugin::getOutputDataTypes(DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept {
  outputs[0] = inputs[kFeatures];
  return 0;
}

int32_t MaskHeadPlugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t input_count,
                                        nvinfer1::DimsExprs const*, int32_t, nvinfer1::DimsExprs* outputs, int32_t,
                                        nvinfer1::IExprBuilder& builder) noexcept {
  return guarded(-1, [&] {
    Dims dims[kInputs]{};
    for (int i = 0; i < input_count && i < kInputs; ++i) {
      dims[i].nbDims = inputs[i].nbDims;
      for (int32_t d = 0; d < inputs[i].nbDims; ++d) {
        dims[i].d[d] = inputs[i].d[d]->isConstant() ? inputs[i].d[d]->getConstantValue() : -1;
      }
    }
    check_inputs(attributes_, dims, input_count);
    const auto* factor = builder.constant(attributes_.upsample());
    const auto enlarged = [&](int axis) {
      return builder.operation(nvinfer1::DimensionOperation::kPROD, *inputs[kFeatures].d[axis], *factor);
    };
    outputs[0].nbDims = 4;
    outputs[0].d[0] = inputs[kFeatures].d[0];
    outputs[0].d[1] = inputs[kParams].d[1];
    outputs[0].d[2] = enlarged(2);
    outputs[0].d[3] = enlarged(3);
    return 0;
  });
}

bool MaskHeadPlugin::supportsFormatCombination(int32_t position, DynamicPluginTensorDesc const* in_out, int32_t,
                                               int32_t) noexcept {
  const PluginTensorDesc& tensor = in_out[position].desc;
  if (tensor.format != nvinfer1::TensorFormat::kLINEAR) return false;
  switch (position) {
    case kFeatures:
      return tensor.type == DataType::kFLOAT || tensor.type == DataType::kHALF;
    case kLocations:
    case kSizes:
      return tensor.type == DataType::kFLOAT;
    case kCount:
      return tensor.type == DataType::kINT32;
    default:  // params and masks
      return tensor.type == in_out[kFeatures].desc.type;
  }
}

int32_t MaskHeadPlugin::configurePlugin(DynamicPluginTensorDesc const* inputs, int32_t input_count,
                                        DynamicPluginTensorDesc const*, int32_t) noexcept {
  return guarded(-1, [&] {
    Dims dims[kInputs]{};
    for (int i = 0; i < input_count && i < kInputs; ++i) dims[i] = inputs[i].desc.dims;
    check_inputs(attributes_, dims, input_count);
    return 0;
  });
}

int32_t MaskHeadPlugin::onShapeChange(PluginTensorDesc const* inputs, int32_t input_count, PluginTensorDesc const*,
                                      int32_t) noexcept {
  return guarded(-1, [&] {
    Dims dims[kInputs]{};
    for (int i = 0; i < input_count && i < kInputs; ++i) dims[i] = inputs[i].dims;
    check_inputs(attributes_, dims, input_count);
    if (const char* reason = cuda::refusal(sized(attributes_, inputs))) throw std::invalid_argument(reason);
    return 0;
  });
}

int32_t MaskHeadPlugin::enqueue(PluginTensorDesc const* inputs, PluginTensorDesc const*, void const* const* input_data,
                                void* const* output_data, void*, cudaStream_t stream) noexcept {
  return guarded(-1, [&] {
    DynamicMaskHead op = sized(attributes_, inputs);
    op.mask_feats = input_data[kFeatures];
    op.params = input_data[kParams];
    op.locations = static_cast<const float*>(input_data[kLocations]);
    op.sizes = static_cast<const float*>(input_data[kSizes]);
    op.count = static_cast<const int32_t*>(input_data[kCount]);
    op.masks = output_data[0];
    if (const char* reason = cuda::refusal(op)) throw std::invalid_argument(reason);
    const cudaError_t error = cuda::dynamic_mask_head(op, stream);
    if (error != cudaSuccess) throw std::runtime_error(std::string("launch failed: ") + cudaGetErrorString(error));
    return 0;
  });
}

nvinfer1::IPluginV3* MaskHeadPlugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept { return clone(); }

nvinfer1::PluginFieldCollection const* MaskHeadPlugin::getFieldsToSerialize() noexcept {
  for (int i = 0; i < Attributes::kCount; ++i) {
    fields_[i] = {Attributes::kNames[i], &attributes_.values[i], nvinfer1::PluginFieldType::kINT32, 1};
  }
  collection_ = {Attributes::kCount, fields_.data()};
  return &collection_;
}

nvinfer1::IPluginV3* MaskHeadCreator::createPlugin(nvinfer1::AsciiChar const*,
                                                   nvinfer1::PluginFieldCollection const* fields,
                                                   nvinfer1::TensorRTPhase) noexcept {
  return guarded<nvinfer1::IPluginV3*>(nullptr, [&] { return new MaskHeadPlugin(read_attributes(fields)); });
}

nvinfer1::PluginFieldCollection const* MaskHeadCreator::getFieldNames() noexcept {
  static const std::array<nvinfer1::PluginField, Attributes::kCount> fields = [] {
    std::array<nvinfer1::PluginField, Attributes::kCount> named{};
    for (int i = 0; i < Attributes::kCount; ++i) {
      named[i] = {Attributes::kNames[i], nullptr, nvinfer1::PluginFieldType::kINT32, 1};
    }
    return named;
  }();
  static const nvinfer1::PluginFieldCollection names{Attributes::kCount, fields.data()};
  return &names;
}

}  // namespace stc::tensorrt
