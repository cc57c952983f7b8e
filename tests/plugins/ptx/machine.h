// What translated PTX runs on: the threads of a block are fibers, which change at barriers and votes only; blocks run
// one after the other. Everything that a GPU would leave undefined, or that only luck would hide, is a fault: accesses
// out of bounds or not aligned to their whole vector, writes to inputs, races on shared memory between two barriers,
// reads of shared memory that nobody wrote, barriers that not all threads of a block reach, votes that not all lanes of
// their mask take part in.
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

inline uint64_t executed[256];  // instructions, by opcode

// Transactions with global memory, where they are asked for: the sectors of 32 bytes that the lanes of a warp touch in
// the same instruction, the same time that they come to it. Every access counts, as if there were no cache.
constexpr unsigned kSector = 32, kWarp = 32;
inline bool counting = false;
inline uint64_t transactions = 0;

union Register {  // a union, and no functions: a compiler that does not optimise is then still quick
  uint64_t u64 = 0x7FC0DEAD7FC0DEAD;  // NaN as a float, far away as an address: nothing has been written yet
  int64_t s64;
  uint32_t u32;
  int32_t s32;
  float f32;
  uint16_t u16;
  int16_t s16;
  uint8_t u8;
  bool pred;
};

inline uint32_t reversed(uint32_t x) {
  uint32_t result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1) << (31 - i);
  return result;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float float_of_half(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float sign = half >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? std::numeric_limits<float>::quiet_NaN() : sign * INFINITY;
  return sign * std::ldexp(float(exponent ? 1024 + fraction : fraction), (exponent ? exponent : 1) - 25);
}

inline uint16_t half_of(float value) {  // to the nearest, ties to even
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7FFF;
  const double size = std::fabs(double(value));
  if (size >= 65520.0) return sign | 0x7C00;
  if (size == 0.0) return sign;
  int exponent;
  std::frexp(size, &exponent);
  const int step = exponent - 11 < -24 ? -24 : exponent - 11;  // of the last bit
  const int steps = int(std::nearbyint(std::ldexp(size, -step)));
  return sign | uint16_t(steps + (step + 24) * 1024);
}

inline float divided_approximately(float a,
                                   float b) {  // as div.approx: beyond 2^126 the quotient is 0, of infinity NaN
  if (std::fabs(b) > 0x1p126f && std::isfinite(b)) return std::isinf(a) ? NAN : std::copysign(0.0f, a * b);
  return a / b;
}

struct Range {
  uint64_t begin, end;
  bool writable;
};
inline std::vector<Range> ranges;
inline std::vector<std::string> faults;

struct Cell {  // a byte of shared memory
  bool written = false;
  unsigned write_epoch = 0, read_epoch = 0;  // between which barriers it was last written and read
  int writer = -1, reader = -1;              // by which thread; several readers: -2
};

struct Block {
  unsigned place[3], grid[3];
  std::vector<unsigned char> memory;
  std::vector<Cell> cells;
  unsigned epoch = 1;
  std::unordered_map<uint64_t, std::set<uint64_t>> sectors;  // by warp, instruction, and how often it was there
};

enum State { kReady, kAtBarrier, kAtVote, kEnded };

struct Thread {
  unsigned tid, threads;
  const unsigned char* parameters;
  Block* block;
  void (*body)(Thread&);
  ucontext_t context, *scheduler;
  std::vector<char> stack;
  State state;
  int site;  // of the vote
  uint32_t lanes, ballots;
  bool vote;
  std::unordered_map<int, unsigned> times;  // at an instruction, where transactions are counted

  void fault(const char* what, uint64_t address, unsigned size) const {
    char text[200];
    std::snprintf(text, sizeof text, "%s: %u bytes at %llx, block (%u, %u, %u), thread %u", what, size,
                  (unsigned long long)address, block->place[0], block->place[1], block->place[2], tid);
    if (faults.size() < 100) faults.push_back(text);
  }

  void wait(State reason) {
    state = reason;
    swapcontext(&context, scheduler);
  }
  void barrier() { wait(kAtBarrier); }
  uint32_t ballot(int place, uint32_t mask, bool own) {
    site = place, lanes = mask, vote = own;
    wait(kAtVote);
    return ballots;
  }

  void count(int place, uint64_t address, unsigned size) {
    if (!counting) return;
    const uint64_t key = uint64_t(tid / kWarp) << 56 | uint64_t(place) << 32 | times[place]++;
    for (uint64_t sector = address / kSector; sector <= (address + size - 1) / kSector; ++sector)
      block->sectors[key].insert(sector);
  }

  void load_param(unsigned offset, void* v, unsigned size) { std::memcpy(v, parameters + offset, size); }

  void load_global(uint64_t address, void* v, unsigned size, int site) {
    count(site, address, size);
    if (global(address, size, false))
      std::memcpy(v, reinterpret_cast<void*>(address), size);
    else
      std::memset(v, 0xFF, size);
  }
  void store_global(uint64_t address, const void* v, unsigned size, int site) {
    count(site, address, size);
    if (global(address, size, true)) std::memcpy(reinterpret_cast<void*>(address), v, size);
  }
  void load_shared(uint32_t address, void* v, unsigned size) {
    if (shared(address, size, false))
      std::memcpy(v, block->memory.data() + address, size);
    else
      std::memset(v, 0xFF, size);
  }
  void store_shared(uint32_t address, const void* v, unsigned size) {
    if (shared(address, size, true)) std::memcpy(block->memory.data() + address, v, size);
  }

  bool global(uint64_t address, unsigned size, bool writes) const {
    if (address % size) fault("global access is not aligned", address, size);
    for (const Range& range : ranges)
      if (address >= range.begin && address + size <= range.end) {
        if (writes && !range.writable) fault("an input is written", address, size);
        return !writes || range.writable;
      }
    fault("global access is out of bounds", address, size);
    return false;
  }

  bool shared(uint32_t address, unsigned size, bool writes) const {
    if (address % size) fault("shared access is not aligned", address, size);
    if (address + size > block->memory.size()) {
      fault("shared access is out of bounds", address, size);
      return false;
    }
    const int self = int(tid);
    for (unsigned i = address; i < address + size; ++i) {
      Cell& cell = block->cells[i];
      const bool fresh = cell.write_epoch == block->epoch && cell.writer != self;
      if (writes) {
        if (fresh) fault("two threads write the same shared memory", address, size);
        if (cell.read_epoch == block->epoch && cell.reader != self)
          fault("shared memory is written while another thread reads it", address, size);
        cell.written = true, cell.write_epoch = block->epoch, cell.writer = self;
      } else {
        if (!cell.written) fault("shared memory is read that nobody wrote", address, size);
        if (fresh) fault("shared memory is read while another thread writes it", address, size);
        cell.reader = cell.read_epoch == block->epoch && cell.reader != self ? -2 : self;
        cell.read_epoch = block->epoch;
      }
    }
    return true;
  }
};

inline void enter(unsigned low, unsigned high) {
  auto* thread = reinterpret_cast<Thread*>(uint64_t(high) << 32 | low);
  thread->body(*thread);
  thread->wait(kEnded);
}

// Counts the votes of warps whose lanes have all voted; whether there was one.
inline bool count_votes(std::vector<Thread>& threads) {
  bool any = false;
  for (size_t first = 0; first < threads.size(); first += kWarp) {
    const size_t end = std::min(threads.size(), first + kWarp);
    for (size_t i = first; i < end; ++i) {
      if (threads[i].state != kAtVote) continue;
      const uint32_t mask = threads[i].lanes;
      uint32_t here = 0, ballots = 0;
      for (size_t k = first; k < end; ++k) {
        const Thread& t = threads[k];
        if (t.state != kAtVote || t.site != threads[i].site || t.lanes != mask) continue;
        here |= 1u << (k - first);
        ballots |= uint32_t(t.vote) << (k - first);
      }
      if (here != mask) continue;
      for (size_t k = first; k < end; ++k)
        if (mask >> (k - first) & 1) threads[k].state = kReady, threads[k].ballots = ballots;
      any = true;
    }
  }
  return any;
}

// One block. backwards: the last thread goes first; what depends on that order is a race that no barrier forbids.
inline void run_block(std::vector<Thread>& threads, ucontext_t& scheduler, bool backwards) {
  for (Thread& t : threads) {
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = t.stack.data();
    t.context.uc_stack.ss_size = t.stack.size();
    t.context.uc_link = nullptr;
    t.state = kReady;
    t.times.clear();
    const auto self = reinterpret_cast<uint64_t>(&t);
    makecontext(&t.context, reinterpret_cast<void (*)()>(enter), 2, unsigned(self), unsigned(self >> 32));
  }
  for (size_t ended_before = 0;;) {
    for (size_t i = 0; i < threads.size(); ++i) {
      Thread& t = threads[backwards ? threads.size() - 1 - i : i];
      if (t.state == kReady) swapcontext(&scheduler, &t.context);
    }
    if (count_votes(threads)) continue;
    size_t in[4] = {};
    for (const Thread& t : threads) ++in[t.state];
    if (in[kEnded] == threads.size()) break;
    if (in[kAtVote]) threads[0].fault("a vote is not reached by all lanes of its mask", 0, 0);
    if (in[kEnded] > ended_before && in[kAtBarrier]) threads[0].fault("a barrier is not reached by all threads", 0, 0);
    ended_before = in[kEnded];
    for (Thread& t : threads)
      if (t.state != kEnded) t.state = kReady;
    ++threads[0].block->epoch;
  }
  for (const auto& [key, touched] : threads[0].block->sectors) transactions += touched.size();
}

inline void launch(void (*body)(Thread&), const unsigned char* parameters, const unsigned* grid, unsigned threads,
                   unsigned shared, bool backwards) {
  ucontext_t scheduler;
  std::vector<Thread> team(threads);
  for (Thread& t : team) t.stack.resize(128 << 10);
  for (unsigned z = 0; z < grid[2]; ++z)
    for (unsigned y = 0; y < grid[1]; ++y)
      for (unsigned x = 0; x < grid[0]; ++x) {
        Block block{{x, y, z}, {grid[0], grid[1], grid[2]}, {}, {}, 1, {}};
        block.memory.assign(shared, 0xFF);  // NaN
        block.cells.assign(shared, {});
        for (unsigned i = 0; i < threads; ++i) {
          Thread& t = team[i];
          t.tid = i, t.threads = threads, t.parameters = parameters, t.block = &block, t.body = body;
          t.scheduler = &scheduler;
        }
        run_block(team, scheduler, backwards);
      }
}

extern "C" void machine_reset() {
  ranges.clear();
  faults.clear();
  std::memset(executed, 0, sizeof executed);
  transactions = 0;
}
extern "C" void machine_count(int wanted) { counting = wanted != 0; }
extern "C" uint64_t machine_transactions() { return transactions; }
extern "C" void machine_allow(uint64_t begin, uint64_t size, int writable) {
  ranges.push_back({begin, begin + size, writable != 0});
}
extern "C" const char* machine_fault(unsigned index) { return index < faults.size() ? faults[index].c_str() : nullptr; }
extern "C" const uint64_t* machine_executed() { return executed; }
