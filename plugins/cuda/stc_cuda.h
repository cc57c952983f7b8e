/* The kernels of libstc_tensorrt.so without TensorRT, as seen from C, Python (ctypes) or anything else.

   Ownership: the caller owns every buffer; all pointers inside the structs are device memory and must stay valid until
   the stream has passed the call. `stream` is a cudaStream_t of the current device. Nothing is allocated, nothing is
   waited for, so calls may be captured into a CUDA graph. Every function may be called from several threads at once.

   Functions return 0 or a cudaError_t: cudaErrorInvalidValue (1) for sizes, attributes or storage that no kernel is
   compiled for, and then nothing was enqueued. */
#ifndef STC_CUDA_H
#define STC_CUDA_H

#include "stc/c_types.h"

#define STC_CUDA_API __attribute__((visibility("default")))
#define STC_CUDA_ABI 1 /* raised when a signature or a struct changes */

#ifdef __cplusplus
extern "C" {
#endif

STC_CUDA_API int32_t stc_cuda_abi(void);
/* "stc: CUDART_VERSION=13000": the CUDA whose runtime is in the library, 1000 times the major version and 10 times the
   minor. A driver of an older major version serves none of its calls. The text can also be found in the file by whoever
   does not want to load it. */
STC_CUDA_API const char* stc_cuda_built_with(void);
STC_CUDA_API int32_t stc_cuda_dynamic_mask_head(const stc_dynamic_mask_head* op, void* stream);

/* storage of the probabilities 0: float32, 1: IEEE half. words (instances, H, ceil(W / 32)): pixel x is bit x % 32 of
   word x / 32. pixels (instances, H, W): 0 or 1. */
STC_CUDA_API int32_t stc_cuda_bit_masks(const stc_frame_masks* masks, int32_t storage, uint32_t* words, void* stream);
STC_CUDA_API int32_t stc_cuda_dense_masks(const stc_frame_masks* masks, int32_t storage, uint8_t* pixels, void* stream);

#ifdef __cplusplus
}
#endif
#endif
