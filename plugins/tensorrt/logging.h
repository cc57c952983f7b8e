// Messages to the logger of the TensorRT that loaded us. No exception leaves a plugin.
#pragma once

#include <NvInferRuntime.h>

#include <exception>
#include <string>

namespace stc::tensorrt {

/// Where to look for loggers from now on; TensorRT calls it through setLoggerFinder.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

/// Logs "stc::DynamicMaskHead: message" as an error, on stderr where no logger is known.
void log_error(const std::string& message) noexcept;

/// What `body` returns; `failure`, and a line in the log, where it throws.
template <class Result, class Body>
Result guarded(Result failure, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    log_error(error.what());
  } catch (...) {
    log_error("unknown exception");
  }
  return failure;
}

}  // namespace stc::tensorrt
