// The op's attributes, from and to TensorRT's plugin fields.
#pragma once

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>

namespace stc::tensorrt {

/// channels, layers, stride, upsample of stc::DynamicMaskHead, version 1.
struct Attributes {
  static constexpr int kCount = 4;
  static constexpr std::array<const char*, kCount> kNames = {"channels", "layers", "stride", "upsample"};

  std::array<int32_t, kCount> values = {8, 3, 8, 2};

  int32_t channels() const { return values[0]; }
  int32_t layers() const { return values[1]; }
  int32_t stride() const { return values[2]; }
  int32_t upsample() const { return values[3]; }
  int32_t params() const;
};

/// Attributes that a field leaves out have their defaults; fields that belong to the parser (plugin_version,
/// plugin_namespace) are passed over. Throws std::invalid_argument, with what was found, for any other name, another
/// type, or a value that no kernel is compiled for.
Attributes read_attributes(const nvinfer1::PluginFieldCollection* fields);

}  // namespace stc::tensorrt
