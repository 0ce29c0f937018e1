// Words that nobody outside can predict, drawn from the kernel in blocks: one call serves a thousand queries.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace shardns {

// Fills `count` words; 0, or a positive errno.
using FillRandom = int (*)(void* context, uint32_t* words, size_t count);
int FillFromSystem(void* context, uint32_t* words, size_t count);

class RandomWords {
 public:
  // Another source is for tests.
  explicit RandomWords(FillRandom fill = FillFromSystem, void* context = nullptr) : fill_(fill), context_(context) {}

  // Draws a block before the first word is needed: whether there is a source at all. 0, or a positive errno.
  int Prepare();

  uint32_t Next() {
    if (at_ == kWords) [[unlikely]] {
      Refill();
    }
    // What has been used is nowhere to be found any more.
    return std::exchange(words_[at_++], 0);
  }
  // Uniform in [0, n), n at most 2^21 (bias under 2^-11).
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(static_cast<uint64_t>(Next()) * n >> 32); }

 private:
  static constexpr size_t kWords = 1024;
  void Refill();

  FillRandom fill_;
  void* context_;
  size_t at_ = kWords;
  uint32_t words_[kWords];
};

}  // namespace shardns
