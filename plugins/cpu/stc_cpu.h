/* The native library for CPUs, as seen from C, Python (ctypes) or anything else.

   Ownership: the caller owns every buffer, before, during and after a call; the library keeps no pointer and returns no
   memory. It allocates scratch memory within a call and, on the first call with more than one thread, starts threads,
   which sleep between calls and end with the process. Every function may be called from several threads at once, on
   buffers that no two calls write. Outputs must not overlap inputs. Tensors (features, parameters, probabilities,
   masks …) need no alignment; the arrays of an axis, ends and areas have their type's.

   Functions return 0, or one of the codes below; nothing has been written then. */
#ifndef STC_CPU_H
#define STC_CPU_H

#include <stdint.h>

#include "stc/c_types.h"

#if defined(_WIN32)
#define STC_API __declspec(dllexport)
#else
#define STC_API __attribute__((visibility("default")))
#endif

#define STC_CPU_ABI 6 /* raised when a signature or a struct below changes */

enum {
  STC_OK = 0,
  STC_BAD_ARGUMENT = -1,
  STC_UNSUPPORTED = -2, /* channels and layers that no kernel is compiled for */
  STC_OUT_OF_MEMORY = -3,
  STC_NO_ROOM = -4 /* the call says how much it needs */
};

#ifdef __cplusplus
extern "C" {
#endif

STC_API int32_t stc_cpu_abi(void);

/* Bytes of stc_dynamic_mask_head (0), stc_frame_masks (1), stc_resize (2), stc_outlines (3) and stc_resize_yuv (4), for
   callers that lay them out themselves; 0 for another number. */
STC_API int32_t stc_cpu_struct_size(int32_t which);

/* "avx512", "avx2", "neon" or "portable": chosen once, by what the machine can do. The environment variable
   STC_CPU=avx2 or STC_CPU=portable, read on the first call, rules out the ones before it. */
STC_API const char* stc_cpu_kernels(void);

/* `threads`: at most so many, the calling one included, and never more than 256. */
STC_API int32_t stc_cpu_dynamic_mask_head(const stc_dynamic_mask_head* op, int32_t threads);

/* Masks at frame size; storage of the probabilities 0: float32, 1: IEEE half, which gives what its floats would.

   pixels (instances, H, W): 0 or 1. They are 0 when the call begins: it writes only the part of the frame that a mask
   can reach, and memory fresh from the system, which is 0, costs nothing where it is not written to.
   written: out, (instances, 4), or null: the part of each, rows [0] to before [1], columns [2] to before [3]. Who sets
   it to 0 again can use the same memory for other masks, which costs a fraction of what fresh memory does. */
STC_API int32_t stc_cpu_dense_masks(const stc_frame_masks* masks, int32_t storage, uint8_t* pixels, int32_t* written,
                                    int32_t threads);

/* words (instances, H, ceil(W / 32)): pixel x is bit x % 32 of word x / 32; bits beyond the frame are 0. */
STC_API int32_t stc_cpu_bit_masks(const stc_frame_masks* masks, int32_t storage, uint32_t* words, int32_t threads);

/* COCO's compressed run-length encoding, one after the other without separators: text i ends before text[ends[i]].
   areas (instances,): pixels of each mask. Returns the capacity that is needed when `capacity` bytes do not do; then
   `text` has not been written. */
STC_API int64_t stc_cpu_rle_masks(const stc_frame_masks* masks, int32_t storage, char* text, int64_t capacity,
                                  int64_t* ends, int64_t* areas, int32_t threads);

/* Masks as closed rings along the edges of their pixels: pixel (x, y) covers x to x + 1 and y to y + 1. A mask's parts
   (pixels that touch, at a corner too) are numbered from 0; the first ring of a part goes around it, the others around
   its holes. From corner to corner rings run along rows and columns in turn, with the mask to the right. */
typedef struct {
  int32_t* xy;   /* out, (corner_room, 2) */
  int64_t* ring; /* out, (ring_room, 3): instance, part, where its corners end; in rising order of both */
  int64_t corner_room, ring_room; /* in */
  int64_t corners, rings;         /* out: how many there are, also where there is no room */
} stc_outlines;

STC_API int32_t stc_cpu_outline_masks(const stc_frame_masks* masks, int32_t storage, stc_outlines* found,
                                      int32_t threads);

/* One axis of a resampling: pixel o is the sum over t of weights[o * taps + t] / 2^22 times source pixel first[o] + t.
   `first` never decreases; weights are not negative, those beyond the source's end are 0. */
typedef struct {
  const int32_t* first;   /* (size,) */
  const int32_t* weights; /* (size, taps) */
  int32_t size, taps;
} stc_resize_axis;

enum {
  /* Along x, rounded to 8 bits, halves up, and then along y in the same way; a pixel's weights add up to at most 2.
     With a triangle filter that is Pillow's BILINEAR, to the bit. */
  STC_COLUMNS_FIRST = 0,
  /* Along y, rounded to 1/128 of a level, and then along x, rounded to 8 bits, halves up; a pixel's weights add up to
     at most 1, and are used in 14 to 22 bits. With averages of areas within one level of OpenCV's INTER_AREA. */
  STC_ROWS_FIRST = 1,
  /* Two taps whose weights are used in 11 bits, along x and then along y, with the roundings of OpenCV's INTER_LINEAR:
     with its weights the same, to the bit. `first` is -1 or more; what lies beyond either end is the edge's pixel. */
  STC_LINEAR = 2
};

/* A picture of three channels resampled. Its rows, pixels and channels may lie anyhow, backwards and on top of each
   other too: the alpha of BGRA is passed over by pixels of 4 bytes, RGB is read as BGR from the last channel on with
   channels of -1, and a grey picture has channels of 0. */
typedef struct {
  const uint8_t* source; /* the first channel of the first pixel of `height` rows of `width` pixels */
  uint8_t* target;       /* out, (y.size, x.size, 3), target_pitch bytes from row to row */
  int64_t source_row, source_pixel, source_channel; /* bytes from one to the next */
  int64_t target_pitch;
  int32_t height, width, order;
  stc_resize_axis y, x;
} stc_resize;

STC_API int32_t stc_cpu_resize(const stc_resize* op, int32_t threads);

/* A plane of bytes, `row` and `pixel` bytes from one to the next; pixels lie side by side or one apart (1 or 2). */
typedef struct {
  const uint8_t* data;
  int64_t row, pixel;
} stc_plane;

/* A frame as decoders give it, 4:2:0 (NV12: u and v are planes of 2 bytes a pixel), to a BGR picture: resized rows
   first plane by plane, and then converted. */
typedef struct {
  stc_plane planes[3]; /* y (height, width), u and v (height / 2, width / 2), rounded up */
  uint8_t* target;     /* out, (y.size, x.size, 3), target_pitch bytes from row to row */
  int64_t target_pitch;
  int32_t height, width;
  stc_resize_axis y, x, chroma_y, chroma_x; /* as of STC_ROWS_FIRST */
  stc_yuv_colours colours;
} stc_resize_yuv;

STC_API int32_t stc_cpu_resize_yuv(const stc_resize_yuv* op, int32_t threads);

#ifdef __cplusplus
}
#endif
#endif
