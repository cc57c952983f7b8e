// Several neighbouring values in one thread: every weight that was read serves all of them, and memory is read and
// written in vectors.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "stc/arithmetic.h"

namespace stc::cuda {

template <int N>
struct Cells {
  float v[N];

  Cells() = default;
  STC_HD explicit Cells(float x) {
    STC_UNROLL
    for (int i = 0; i < N; ++i) v[i] = x;
  }
};

template <int N>
STC_HD Cells<N> multiply_add(float w, Cells<N> x, Cells<N> c) {
  STC_UNROLL
  for (int i = 0; i < N; ++i) c.v[i] = stc::multiply_add(w, x.v[i], c.v[i]);
  return c;
}

template <int N>
STC_HD Cells<N> relu(Cells<N> x) {
  STC_UNROLL
  for (int i = 0; i < N; ++i) x.v[i] = stc::relu(x.v[i]);
  return x;
}

STC_HD void narrow(float x, float& stored) { stored = x; }
STC_HD void narrow(float x, __half& stored) { stored = __float2half_rn(x); }

/// N neighbours in one access of the machine.
template <class Type, int N>
struct alignas(sizeof(Type) * N) Packed {
  Type v[N];
};

template <int N, class Type>
STC_HD bool packable(const Type* p, int64_t row) {
  return row % N == 0 && reinterpret_cast<uintptr_t>(p) % sizeof(Packed<Type, N>) == 0;
}

/// `count` values from `p`, the rest 0; `packed` where all N may be read at once.
template <int N, class Type>
STC_HD Cells<N> load(const Type* p, int count, bool packed) {
  Cells<N> result;
  if (packed) {
    const auto pack = *reinterpret_cast<const Packed<Type, N>*>(p);
    STC_UNROLL
    for (int i = 0; i < N; ++i) result.v[i] = widen(pack.v[i]);
  } else {
    STC_UNROLL
    for (int i = 0; i < N; ++i) result.v[i] = i < count ? widen(p[i]) : 0.0f;
  }
  return result;
}

template <int N, class Type>
STC_HD void store(const Cells<N>& cells, Type* p, int count, bool packed) {
  if (packed) {
    Packed<Type, N> pack;
    STC_UNROLL
    for (int i = 0; i < N; ++i) narrow(cells.v[i], pack.v[i]);
    *reinterpret_cast<Packed<Type, N>*>(p) = pack;
  } else {
    STC_UNROLL
    for (int i = 0; i < N; ++i) {
      if (i < count) narrow(cells.v[i], p[i]);
    }
  }
}

}  // namespace stc::cuda
