// How often keys were asked for lately, in a fixed piece of a shard: a count-min sketch of 4-bit counters (Cormode and
// Muthukrishnan, "An improved data stream summary", 2005), four rows, all of a key's counters on one line of memory.
// Only the least of them are raised (Estan and Varghese, SIGCOMM 2002), so that neighbours spoil less.
//
// Aging: after five additions for each entry that the shard may have, every counter has been halved (TinyLFU, section
// 3.3), a line at a time as additions pass, so that none of them waits for a whole sketch. What is asked for no more
// is forgotten after four such times at most. Ten additions, or a line for two buckets, let the noise of keys that come
// once rise to the counts of what is to be kept (bench/native/policy_bench.cc: 58 instead of 61 % of a scanned trace).
// Estimates are too high at times, never too low but for aging.
//
// Under the shard's lock. Whatever octets stand there are counters, and the place of the next line to age is checked:
// memory that others have written to harms estimates and nothing else.
#pragma once
#include <algorithm>
#include <cstring>

#include "store/index.h"

namespace shardns::store {

class FrequencySketch {
 public:
  //  0       16      32      48      64
  //  | row 0 | row 1 | row 2 | row 3 |      32 counters a row
  static constexpr size_t kLineOctets = 64;
  static constexpr uint32_t kRows = 4;
  static constexpr uint32_t kMost = 15;
  // A line for each bucket: 18 counters an entry when the index is nine tenths full, nine octets.
  static uint32_t LinesFor(uint32_t buckets) { return buckets; }
  static constexpr uint32_t kEntriesPerLine = kSlotsPerBucket * 9 / 10;
  static constexpr uint32_t kAdditionsPerLine = 5 * kEntriesPerLine;

  // In the shard's header.
  struct Head {
    uint32_t additions;  // since a line was aged
    uint32_t next;       // to be aged
  };

  FrequencySketch(uint8_t* lines, uint32_t count, Head* head) : lines_(lines), count_(count), head_(head) {}

  uint32_t Estimate(uint64_t hash) const {
    const Cells cells(*this, hash);
    uint32_t least = kMost;
    for (uint32_t row = 0; row < kRows; ++row) least = std::min(least, cells.Get(row));
    return least;
  }
  void Add(uint64_t hash) {
    const uint32_t least = Estimate(hash);
    if (least < kMost) {
      Cells cells(*this, hash);
      for (uint32_t row = 0; row < kRows; ++row) {
        if (cells.Get(row) == least) cells.Raise(row);
      }
    }
    if (++head_->additions >= kAdditionsPerLine) AgeLine();
  }

 private:
  // The counters of a key.
  class Cells {
   public:
    Cells(const FrequencySketch& sketch, uint64_t hash) {
      // Other bits than those that choose bucket and tag.
      const uint64_t mixed = (hash ^ hash >> 31) * 0xBF58476D1CE4E5B9u;
      line_ = sketch.lines_ + size_t{Spread(static_cast<uint32_t>(mixed >> 32), sketch.count_)} * kLineOctets;
      bits_ = static_cast<uint32_t>(mixed);
    }
    uint32_t Get(uint32_t row) const { return *Octet(row) >> Shift(row) & kMost; }
    void Raise(uint32_t row) { *Octet(row) = static_cast<uint8_t>(*Octet(row) + (1u << Shift(row))); }

   private:
    uint8_t* Octet(uint32_t row) const { return line_ + row * 16 + (bits_ >> (row * 8 + 1) & 15); }
    uint32_t Shift(uint32_t row) const { return (bits_ >> (row * 8) & 1) * 4; }
    uint8_t* line_;
    uint32_t bits_;
  };

  void AgeLine() {
    head_->additions = 0;
    if (head_->next >= count_) head_->next = 0;
    uint64_t words[kLineOctets / 8];
    uint8_t* line = lines_ + size_t{head_->next++} * kLineOctets;
    std::memcpy(words, line, sizeof words);
    for (uint64_t& word : words) word = word >> 1 & 0x7777777777777777u;
    std::memcpy(line, words, sizeof words);
  }

  uint8_t* lines_;
  uint32_t count_;
  Head* head_;
};

}  // namespace shardns::store
