// What holds for every kind of lanes.
#pragma once

#include "half.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

/// Two vectors at a time: every weight that was read serves both.
template <class Lanes>
struct Pair {
  static constexpr int kLanes = 2 * Lanes::kLanes;
  Lanes a, b;

  Pair() = default;
  STC_HD Pair(Lanes first, Lanes second) : a(first), b(second) {}
  STC_HD explicit Pair(float x) : a(x), b(x) {}
  STC_HD static Pair load(const float* p) { return {Lanes::load(p), Lanes::load(p + Lanes::kLanes)}; }
  STC_HD void store(float* p) const {
    a.store(p);
    b.store(p + Lanes::kLanes);
  }
};

template <class Lanes>
STC_HD Pair<Lanes> multiply_add(float w, Pair<Lanes> x, Pair<Lanes> c) {
  const Lanes weight(w);
  return {multiply_add(weight, x.a, c.a), multiply_add(weight, x.b, c.b)};
}

template <class Lanes>
STC_HD Pair<Lanes> relu(Pair<Lanes> x) {
  return {relu(x.a), relu(x.b)};
}

template <class Lanes>
STC_HD Lanes multiply_add(float w, Lanes x, Lanes c) {
  return multiply_add(Lanes(w), x, c);
}

template <class Lanes>
STC_HD Lanes multiply(float w, Lanes x) {
  return multiply(Lanes(w), x);
}

/// Least multiple of `step` that is not below `n`.
STC_HD int round_up(int n, int step) { return (n + step - 1) / step * step; }

}  // namespace stc::cpu
