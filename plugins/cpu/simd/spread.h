// Bits to bytes, eight at a time by a table.
#pragma once

#include <cstdint>
#include <cstring>

#include "stc/host_device.h"

namespace stc::cpu {

/// Byte i of entry b is bit i of b.
struct SpreadTable {
  uint64_t entries[256];

  constexpr SpreadTable() : entries{} {
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) entries[byte] |= uint64_t{byte >> bit & 1} << 8 * bit;
    }
  }
};
inline constexpr SpreadTable kSpreadTable{};

/// The first `count` bits of `byte` as bytes, 0 or 1.
STC_HD void spread_byte(uint8_t byte, int count, uint8_t* bytes) {
  std::memcpy(bytes, &kSpreadTable.entries[byte], count);
}

}  // namespace stc::cpu
