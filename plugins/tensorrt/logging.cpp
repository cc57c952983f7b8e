#include "logging.h"

#include <atomic>
#include <cstdio>

namespace stc::tensorrt {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept { logger_finder = finder; }

void log_error(const std::string& message) noexcept {
  try {
    const std::string line = "stc::DynamicMaskHead: " + message;
    nvinfer1::ILoggerFinder* finder = logger_finder;
    if (nvinfer1::ILogger* logger = finder ? finder->findLogger() : nullptr) {
      logger->log(nvinfer1::ILogger::Severity::kERROR, line.c_str());
    } else {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
  } catch (...) {
    // Out of memory, or a logger that throws: there is nowhere left to say it.
  }
}

}  // namespace stc::tensorrt
