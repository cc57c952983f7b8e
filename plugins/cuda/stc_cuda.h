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
#define STC_CUDA_ABI 2 /* raised when a signature or a struct changes */

#ifdef __cplusplus
extern "C" {
#endif

STC_CUDA_API int32_t stc_cuda_abi(void);
/* Bytes of stc_dynamic_mask_head (0), stc_frame_masks (1), stc_device_resize (2), stc_device_resize_yuv (3),
   stc_selection (4), stc_rows (5) and stc_part (6), for callers that lay them out themselves; 0 for another number. */
STC_CUDA_API int32_t stc_cuda_struct_size(int32_t which);
/* "stc: CUDART_VERSION=13000": the CUDA whose runtime is in the library, 1000 times the major version and 10 times the
   minor. A driver of an older major version serves none of its calls. The text can also be found in the file by whoever
   does not want to load it. */
STC_CUDA_API const char* stc_cuda_built_with(void);
STC_CUDA_API int32_t stc_cuda_dynamic_mask_head(const stc_dynamic_mask_head* op, void* stream);

/* storage of the probabilities 0: float32, 1: IEEE half. words (instances, H, ceil(W / 32)): pixel x is bit x % 32 of
   word x / 32. pixels (instances, H, W): 0 or 1. */
STC_CUDA_API int32_t stc_cuda_bit_masks(const stc_frame_masks* masks, int32_t storage, uint32_t* words, void* stream);
STC_CUDA_API int32_t stc_cuda_dense_masks(const stc_frame_masks* masks, int32_t storage, uint8_t* pixels, void* stream);

/* A frame resized into the input of a model: one kernel, which gives the bytes that stc_cpu_resize (STC_ROWS_FIRST) and
   stc_cpu_resize_yuv give for the same axes.

   One axis: pixel o is the sum over t of weights[t * size + o] / 2^bits times source pixel first[o] + t. `first` never
   decreases, and over n pixels grows by at most ceil(n * source / size) + 1; weights are not negative, add up to at
   most 2^bits, and are 0 beyond the source's end. Of y and chroma_y `bits` is from 7 to 22, of the others from 2 to 16.
   (Weights of the CPU library's axes in 16 bits: `shortened` of runtime/native/filters.py.) */
typedef struct {
  const int32_t* first;   /* (size,) */
  const int16_t* weights; /* (taps, size) */
  int32_t size, taps, bits;
} stc_short_axis;

/* One picture of the input, all of which is written: the frame at the top left, `border` for the rest. */
typedef struct {
  uint8_t* pixels; /* out, (height, width, 3) BGR, `row` bytes from row to row */
  int64_t row;
  int32_t height, width;
  uint8_t border[4]; /* blue, green, red and nothing */
} stc_slot;

/* Of three channels: blue, green and red of pixel (x, y) are at source[y * row + x * pixel + {0, 1, 2} * channel].
   RGB is read from its last channel on with a channel of -1; a grey picture has one of 0; the alpha of BGRA is passed
   over by pixels of 4 bytes. `pixel` is from 1 to 4, the three channels lie within one pixel, and the frame is at most
   100 times as wide as the picture. */
typedef struct {
  const uint8_t* source;
  int64_t row;
  int32_t pixel, channel;
  int32_t height, width;
  stc_short_axis y, x;
  stc_slot slot;
} stc_device_resize;

/* NV12: luma (height, width) and chroma (height / 2, width / 2, 2) u and v, rounded up; bytes of a row side by side. */
typedef struct {
  const uint8_t *luma, *chroma;
  int64_t luma_row, chroma_row;
  int32_t height, width;
  stc_short_axis y, x, chroma_y, chroma_x;
  stc_yuv_colours colours;
  stc_slot slot;
} stc_device_resize_yuv;

STC_CUDA_API int32_t stc_cuda_resize(const stc_device_resize* op, void* stream);
STC_CUDA_API int32_t stc_cuda_resize_yuv(const stc_device_resize_yuv* op, void* stream);

/* What somebody wants of one picture's detections, in their order: scores that are finite and at least `threshold`, of
   wanted classes. A label beyond the classes is kept, so that the host sees it. */
typedef struct {
  const float* scores;   /* (most,) */
  const int32_t* labels; /* (most,) */
  const int32_t* count;  /* one number: rows from it on are none; taken into 0..most */
  const uint8_t* wanted; /* (classes,) 0 or 1 */
  int32_t most, classes;
  float threshold;
} stc_selection;

/* rows: out, (most,), the kept ones first, -1 for the rest. kept: out, one number, how many. */
STC_CUDA_API int32_t stc_cuda_select(const stc_selection* selection, int32_t* rows, int32_t* kept, void* stream);

/* Objects: the i-th is row rows[i] of a model's outputs, or row i where `rows` is NULL. `count` of them, which is read
   from the device and taken into 0..most. */
typedef struct {
  const int32_t* rows;  /* (most,) or NULL */
  const int32_t* count; /* one number */
  int32_t most;
} stc_rows;

/* The smallest boxes outside of which the interpolation gives no pixel of a mask: of what reads a cell above 0.5.
   boxes: out, (most, 4) x0, y0, x1, y1 in frame pixels, x1 and y1 exclusive; 0 from the count on and where there is no
   such pixel. */
STC_CUDA_API int32_t stc_cuda_mask_boxes(const stc_frame_masks* masks, int32_t storage, const stc_rows* objects,
                                         int32_t* boxes, void* stream);

/* The room of boxes (most, 4) in words, one after the other. A box's rows lie in the frame's own words, x0 / 32 to
   (x1 + 31) / 32: bit i of its first word is pixel x0 / 32 * 32 + i. offsets: out, (most + 1,), 0 first and the sum
   last. */
STC_CUDA_API int32_t stc_cuda_box_offsets(const int32_t* boxes, int32_t most, int64_t* offsets, void* stream);

/* The bits of stc_cuda_bit_masks within boxes, 0 outside of them. words: out, of which object i has offsets[i] to
   offsets[i + 1], row by row; objects that end beyond `room` words are not written. Boxes lie within the frame. */
STC_CUDA_API int32_t stc_cuda_box_bits(const stc_frame_masks* masks, int32_t storage, const stc_rows* objects,
                                       const int32_t* boxes, const int64_t* offsets, uint32_t* words, int64_t room,
                                       void* stream);

/* Of the bits: areas (most,) in pixels, -1 where the words had no room; tight (most, 4), the smallest boxes of the set
   pixels, 0 where there are none. */
STC_CUDA_API int32_t stc_cuda_box_facts(const int32_t* boxes, const int64_t* offsets, int32_t most,
                                        const uint32_t* words, int64_t room, int64_t* areas, int32_t* tight,
                                        void* stream);

/* A table with a row for each object; row_bytes a multiple of 4. */
typedef struct {
  const void* table; /* a multiple of 4 */
  int32_t row_bytes;
  int32_t gathered; /* 1: row rows[i] is object i's, of an output of the model; 0: row i */
} stc_part;

#define STC_MOST_PARTS 12

/* Everything about the objects in one block, for one copy to the host: int64 objects, words, bytes of the whole, 0;
   then the objects' rows of each part, then offsets[most] words of bits (`words` NULL: none), each beginning at a
   multiple of 16 bytes. What lies beyond `capacity` bytes is not written, and words of it are not read. block: out, a
   multiple of 16; device memory, or the host's where the device can write it. */
STC_CUDA_API int32_t stc_cuda_pack(const stc_part* parts, int32_t count, const stc_rows* objects,
                                   const int64_t* offsets, const uint32_t* words, void* block, int64_t capacity,
                                   void* stream);

#ifdef __cplusplus
}
#endif
#endif
