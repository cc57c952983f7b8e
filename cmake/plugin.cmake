# The TensorRT plugin. Says in one line what was found, or what is skipped and why.
include(CheckLanguage)
include(cmake/tensorrt_headers.cmake)

function(stc_skip reason)
  if(STC_REQUIRE_CUDA)
    # The space keeps CMake from breaking the line.
    message(FATAL_ERROR " stc: no TensorRT plugin: ${reason}")
  endif()
  message(STATUS "stc: TensorRT plugin skipped: ${reason}")
endfunction()

# An nvcc that an earlier run did not find may be there now.
if(NOT CMAKE_CUDA_COMPILER)
  unset(CMAKE_CUDA_COMPILER CACHE)
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  stc_skip("no nvcc (set CUDACXX, or put nvcc on the PATH)")
  return()
endif()
stc_find_tensorrt_headers(STC_TENSORRT_HEADERS STC_TENSORRT_VERSION STC_TENSORRT_ORIGIN)
if(NOT STC_TENSORRT_HEADERS)
  stc_skip("no TensorRT headers (set TENSORRT_INCLUDE_DIR to the folder with NvInferRuntime.h)")
  return()
endif()

# Turing to Blackwell, Jetson included, as far as this nvcc goes; PTX of the newest for what comes after.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch
    OUTPUT_VARIABLE known ERROR_QUIET RESULT_VARIABLE failed TIMEOUT 60)
  foreach(architecture 75 80 86 87 89 90 100 103 110 120 121)
    if(known MATCHES "compute_${architecture}\n")
      list(APPEND CMAKE_CUDA_ARCHITECTURES ${architecture}-real)
      set(newest ${architecture})
    endif()
  endforeach()
  if(NOT failed STREQUAL "0" OR NOT newest)
    stc_skip("${CMAKE_CUDA_COMPILER} names no architecture of ours (CUDA 11.5 or newer is needed)")
    return()
  endif()
  list(APPEND CMAKE_CUDA_ARCHITECTURES ${newest}-virtual)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 17)

file(GLOB plugin_sources CONFIGURE_DEPENDS ${STC_PLUGINS}/tensorrt/*.cpp)
add_library(stc_tensorrt SHARED
  ${STC_PLUGINS}/cuda/mask_head.cu ${STC_PLUGINS}/cuda/frame_masks.cu ${STC_PLUGINS}/cuda/c_interface.cpp
  ${STC_PLUGINS}/cuda/resident/objects.cu ${STC_PLUGINS}/cuda/resident/resize.cu
  ${plugin_sources})
target_include_directories(stc_tensorrt PRIVATE ${STC_PLUGINS}/include ${STC_PLUGINS}/cuda ${STC_PLUGINS}/tensorrt)
target_include_directories(stc_tensorrt SYSTEM PRIVATE
  ${STC_TENSORRT_HEADERS} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
# Nothing but what exports.map names leaves the library, the CUDA runtime neither: TensorRT has one of its own.
set_target_properties(stc_tensorrt PROPERTIES CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden
  LINK_DEPENDS ${STC_PLUGINS}/tensorrt/exports.map)
# Two architectures at a time: one file has most of the code, so that files alone would keep one core busy.
target_compile_options(stc_tensorrt PRIVATE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:--threads=2>)
target_link_options(stc_tensorrt PRIVATE
  -Wl,--version-script=${STC_PLUGINS}/tensorrt/exports.map -Wl,--exclude-libs,ALL -Wl,--no-undefined)

# What makes a Triton server load it.
add_library(stc_triton SHARED ${STC_PLUGINS}/triton/loader.cpp)
target_include_directories(stc_triton SYSTEM PRIVATE
  ${STC_TENSORRT_HEADERS} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_libraries(stc_triton PRIVATE ${CMAKE_DL_LIBS})

# The same kernel for plans that carry it: PTX for the oldest architecture, which every newer GPU translates, and for the
# oldest driver that knows it.
list(GET CMAKE_CUDA_ARCHITECTURES 0 oldest)
string(REGEX REPLACE "-.*" "" oldest ${oldest})
set(ptx ${PROJECT_BINARY_DIR}/stc_mask_head.ptx)
add_custom_command(OUTPUT ${ptx}
  COMMAND ${CMAKE_CUDA_COMPILER} -std=c++17 -O3 -ptx -arch=compute_${oldest} -I${STC_PLUGINS}/include
          ${STC_PLUGINS}/cuda/embedded.cu -o ${ptx}.newest
  COMMAND ${CMAKE_COMMAND} -DINPUT=${ptx}.newest -DOUTPUT=${ptx} -DARCHITECTURE=${oldest}
          -P ${PROJECT_SOURCE_DIR}/cmake/oldest_ptx.cmake
  DEPENDS ${PROJECT_SOURCE_DIR}/cmake/oldest_ptx.cmake ${STC_PLUGINS}/cuda/embedded.cu ${STC_PLUGINS}/cuda/mask_head.cuh ${STC_PLUGINS}/cuda/cells.cuh
          ${STC_PLUGINS}/cuda/dynamic_shared.cuh
          ${STC_PLUGINS}/include/stc/dynamic_mask_head.h)
add_custom_target(stc_ptx ALL DEPENDS ${ptx})

message(STATUS "stc: TensorRT plugin: CUDA ${CMAKE_CUDA_COMPILER_VERSION}, TensorRT ${STC_TENSORRT_VERSION} headers "
  "from ${STC_TENSORRT_ORIGIN}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
