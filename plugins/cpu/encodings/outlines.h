// Masks as rings of corners along the edges of their pixels, from bits.
#pragma once

#include <cstdint>
#include <vector>

#include "../frame_masks.h"

namespace stc::cpu {

/// The rings around one mask's parts and holes. Reused from mask to mask, it keeps its memory.
///
/// A row's run of pixels has two sides, which belong to rings: right sides are walked down, left sides up, so that the
/// mask is always on the same hand. Where a side ends, the runs of the row after it say which side comes next. Pixels
/// that touch at a corner belong together.
class Outlines {
 public:
  /// Find the rings; `bits` as mask_bits writes them, read in the window only.
  void find(const uint8_t* bits, int64_t pitch, const Window& window);

  struct Ring {
    int32_t part;     ///< a part's first ring goes around it, the others around its holes
    int64_t corners;  ///< how many
  };
  const std::vector<Ring>& rings() const { return rings_; }
  const std::vector<int32_t>& corners() const { return corners_; }  ///< x, y; ring after ring

 private:
  struct Run {
    int32_t begin, end, row;
  };

  void find_runs(const uint8_t* bits, int64_t pitch, const Window& window);
  void link(size_t above, size_t below, size_t end);
  void walk(size_t side);
  int32_t root(int32_t run);
  void unite(size_t one, size_t other);

  static size_t left(size_t run) { return 2 * run; }
  static size_t right(size_t run) { return 2 * run + 1; }

  std::vector<Run> runs_;
  std::vector<size_t> rows_;    // where each row's runs begin, and the last one's end
  std::vector<size_t> next_;    // (2 * runs,) the side after each; kWalked once it is part of a ring
  std::vector<int32_t> whose_;  // (runs,) union-find: a run of the same part
  std::vector<int32_t> part_;   // (runs,) the number of a root's part, or -1
  std::vector<int32_t> corners_;
  std::vector<Ring> rings_;
  int32_t parts_ = 0;
};

}  // namespace stc::cpu
