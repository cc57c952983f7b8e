// STC_TARGET("avx2") … STC_TARGET_END: the functions between are compiled for these instructions, all others for any
// machine. Standard headers are included before: their inline functions are shared with code that must run anywhere.
#pragma once

#define STC_PRAGMA(words) _Pragma(#words)
#if defined(__clang__)
#define STC_TARGET(names) STC_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define STC_TARGET_END STC_PRAGMA(clang attribute pop)
#else
#define STC_TARGET(names) STC_PRAGMA(GCC push_options) STC_PRAGMA(GCC target(names))
#define STC_TARGET_END STC_PRAGMA(GCC pop_options)
#endif
