#include "outlines.h"

#include <algorithm>
#include <cstring>

namespace stc::cpu {
namespace {

constexpr size_t kWalked = SIZE_MAX;

}  // namespace

void Outlines::find(const uint8_t* bits, int64_t pitch, const Window& window) {
  corners_.clear();
  rings_.clear();
  parts_ = 0;
  find_runs(bits, pitch, window);
  next_.resize(2 * runs_.size());
  whose_.resize(runs_.size());
  part_.assign(runs_.size(), -1);
  for (size_t run = 0; run < runs_.size(); ++run) whose_[run] = static_cast<int32_t>(run);
  for (size_t row = 0; row + 1 < rows_.size(); ++row) {
    // The row above the first, and the one below the last, have no runs.
    if (row == 0) link(0, 0, rows_[1]);
    link(rows_[row], rows_[row + 1], row + 2 < rows_.size() ? rows_[row + 2] : rows_[row + 1]);
  }
  // In this order a part's first side lies on the ring around it.
  for (size_t side = 0; side < next_.size(); ++side) {
    if (next_[side] != kWalked) walk(side);
  }
}

void Outlines::find_runs(const uint8_t* bits, int64_t pitch, const Window& window) {
  runs_.clear();
  rows_.clear();
  const int bytes = (window.x1 - window.x0) / 8;
  for (int32_t y = window.y0; y < window.y1; ++y) {
    rows_.push_back(runs_.size());
    const uint8_t* row = bits + y * pitch + window.x0 / 8;
    uint64_t before = 0;
    for (int at = 0; at < bytes; at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, row + at, std::min(8, bytes - at));
      for (uint64_t changes = word ^ (word << 1 | before); changes; changes &= changes - 1) {
        const int32_t x = window.x0 + 8 * at + __builtin_ctzll(changes);
        if (word >> __builtin_ctzll(changes) & 1) {
          runs_.push_back({x, window.x1, y});
        } else {
          runs_.back().end = x;
        }
      }
      before = word >> 63;
    }
  }
  rows_.push_back(runs_.size());
}

/// Of the runs [above, below) of a row what comes after their right sides, and of [below, end), the next row's, what
/// comes after their left sides.
void Outlines::link(size_t above, size_t below, size_t end) {
  size_t b = below;
  for (size_t a = above; a < below; ++a) {
    while (b < end && runs_[b].begin <= runs_[a].end) ++b;  // b - 1: the last that begins soon enough to touch a
    if (b == below || runs_[b - 1].end < runs_[a].begin) {
      next_[right(a)] = left(a);
      continue;
    }
    unite(a, b - 1);
    const bool bay = a + 1 < below && runs_[a + 1].begin <= runs_[b - 1].end;  // closed by b - 1 from below
    if (bay) unite(a + 1, b - 1);
    next_[right(a)] = bay ? left(a + 1) : right(b - 1);
  }
  size_t a = above;
  for (b = below; b < end; ++b) {
    while (a < below && runs_[a].end < runs_[b].begin) ++a;  // the first that ends late enough to touch b
    if (a == below || runs_[a].begin > runs_[b].end) {
      next_[left(b)] = right(b);
      continue;
    }
    unite(a, b);
    const bool bay = b > below && runs_[b - 1].end >= runs_[a].begin;  // closed by a from above
    if (bay) unite(a, b - 1);
    next_[left(b)] = bay ? right(b - 1) : left(a);
  }
}

void Outlines::walk(size_t side) {
  const auto at = [this](size_t s) { return s % 2 ? runs_[s / 2].end : runs_[s / 2].begin; };
  int32_t& part = part_[root(static_cast<int32_t>(side / 2))];
  if (part < 0) part = parts_++;
  const size_t before = corners_.size();
  while (next_[side] != kWalked) {
    const size_t next = next_[side];
    next_[side] = kWalked;
    if (at(side) != at(next)) {
      const int32_t y = runs_[side / 2].row + static_cast<int32_t>(side % 2);
      corners_.insert(corners_.end(), {at(side), y, at(next), y});
    }
    side = next;
  }
  rings_.push_back({part, static_cast<int64_t>(corners_.size() - before) / 2});
}

int32_t Outlines::root(int32_t run) {
  while (whose_[run] != run) run = whose_[run] = whose_[whose_[run]];
  return run;
}

void Outlines::unite(size_t one, size_t other) {
  const int32_t a = root(static_cast<int32_t>(one)), b = root(static_cast<int32_t>(other));
  whose_[std::max(a, b)] = std::min(a, b);
}

}  // namespace stc::cpu
