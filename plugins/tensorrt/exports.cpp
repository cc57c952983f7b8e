// What TensorRT looks for in a plugin library (IPluginRegistry::loadLibrary, trtexec --dynamicPlugins).
#include "logging.h"
#include "mask_head_plugin.h"

#define STC_EXPORT extern "C" __attribute__((visibility("default")))

STC_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { stc::tensorrt::set_logger_finder(finder); }

STC_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static stc::tensorrt::MaskHeadCreator mask_head;
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&mask_head};
  count = 1;
  return creators;
}
