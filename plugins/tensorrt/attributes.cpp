#include "attributes.h"

#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "launch.h"

namespace stc::tensorrt {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

/// ONNX integers are 64 bits wide; parsers hand them on as either width.
int64_t integer(const PluginField& field) {
  if (!field.data || field.length != 1) {
    throw std::invalid_argument(std::string(field.name) + " must be one integer, found " +
                                std::to_string(field.length) + " values");
  }
  if (field.type == PluginFieldType::kINT32) {
    int32_t value;
    std::memcpy(&value, field.data, sizeof value);
    return value;
  }
  if (field.type == PluginFieldType::kINT64) {
    int64_t value;
    std::memcpy(&value, field.data, sizeof value);
    return value;
  }
  throw std::invalid_argument(std::string(field.name) + " must be an integer, found plugin field type " +
                              std::to_string(static_cast<int>(field.type)));
}

int index_of(const char* name) {
  for (int i = 0; i < Attributes::kCount; ++i) {
    if (!std::strcmp(name, Attributes::kNames[i])) return i;
  }
  return -1;
}

}  // namespace

int32_t Attributes::params() const { return parameter_count(channels(), layers()); }

Attributes read_attributes(const nvinfer1::PluginFieldCollection* fields) {
  Attributes attributes;
  for (int32_t i = 0; fields && i < fields->nbFields; ++i) {
    const PluginField& field = fields->fields[i];
    const std::string name = field.name ? field.name : "";
    if (name == "plugin_version" || name == "plugin_namespace") continue;
    const int index = index_of(name.c_str());
    if (index < 0)
      throw std::invalid_argument("unknown attribute '" + name +
                                  "' (version 1 has channels, layers, stride, upsample)");
    const int64_t value = integer(field);
    if (value < 1 || value > std::numeric_limits<int16_t>::max()) {
      throw std::invalid_argument(name + " must be from 1 to 32767, found " + std::to_string(value));
    }
    attributes.values[index] = static_cast<int32_t>(value);
  }
  DynamicMaskHead op{};
  op.channels = attributes.channels();
  op.layers = attributes.layers();
  op.stride = attributes.stride();
  op.upsample = attributes.upsample();
  op.height = op.width = 1;
  if (const char* reason = cuda::refusal(op)) {
    throw std::invalid_argument(std::string(reason) + ": channels " + std::to_string(op.channels) + ", layers " +
                                std::to_string(op.layers) + ", upsample " + std::to_string(op.upsample));
  }
  return attributes;
}

}  // namespace stc::tensorrt
