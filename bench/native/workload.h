// Names, answers and access sequences that all native benchmarks share.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "message_builder.h"

namespace shardns::bench {

using test::Buffer;

// Packets as a receiver has them: side by side in one buffer.
class PacketArray {
 public:
  static constexpr size_t kStride = 64;
  void Clear() { octets_.clear(); }
  void Add(Bytes packet) {
    if (packet.size() > kStride) std::abort();
    octets_.resize(octets_.size() + kStride);
    std::copy(packet.begin(), packet.end(), octets_.end() - kStride);
    length_ = packet.size();
  }
  Bytes operator[](size_t i) const { return {&octets_[i * kStride], length_}; }

 private:
  Buffer octets_;
  size_t length_ = 0;
};

// Runs `body(packet, i)` over the sequence and returns the ns it took an operation. Packets are laid out in blocks
// beforehand, outside the time: a receiver has them in its cache, where the kernel has just put them.
template <typename Queries, typename Body>
double TimeBlocks(const Queries& queries, const std::vector<uint32_t>& sequence, Body body) {
  constexpr size_t kBlock = 256;
  PacketArray block;
  double seconds = 0;
  size_t done = 0;
  for (size_t from = 0; from + kBlock <= sequence.size(); from += kBlock) {
    block.Clear();
    for (size_t i = 0; i < kBlock; ++i) block.Add(queries[sequence[from + i]]);
    const double start = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    body(static_cast<const PacketArray&>(block), kBlock);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count() - start;
    done += kBlock;
  }
  return seconds * 1e9 / static_cast<double>(done);
}

struct Workload {
  PacketArray queries;
  std::vector<Buffer> responses;  // about 120 octets
};

inline Workload MakeWorkload(size_t names) {
  Workload workload;
  workload.responses.reserve(names);
  for (size_t i = 0; i < names; ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "Host-%07zu.Example.com", i);
    workload.queries.Add(test::Query(name));
    test::MessageBuilder builder(1, 0x8180);
    builder.Question(name, 1);
    for (uint8_t a = 0; a < 5; ++a) {
      builder.Record(6, {0xC0, 0x0C}, 1, 3600, {10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), a});
    }
    workload.responses.push_back(builder.bytes());
  }
  return workload;
}

inline std::vector<uint32_t> UniformSequence(size_t names, size_t length, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> sequence(length);
  for (uint32_t& at : sequence) at = static_cast<uint32_t>(random() % names);
  return sequence;
}

// Zipf with exponent 1 by inverting the cumulative distribution; ranks are scattered over the names.
inline std::vector<uint32_t> ZipfSequence(size_t names, size_t length, uint32_t seed) {
  std::vector<double> cumulative(names);
  double sum = 0;
  for (size_t i = 0; i < names; ++i) cumulative[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::vector<uint32_t> place(names);
  for (size_t i = 0; i < names; ++i) place[i] = static_cast<uint32_t>(i);
  std::mt19937 random(seed);
  std::shuffle(place.begin(), place.end(), random);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::vector<uint32_t> sequence(length);
  for (uint32_t& at : sequence) {
    at = place[static_cast<size_t>(std::lower_bound(cumulative.begin(), cumulative.end(), uniform(random)) -
                                   cumulative.begin())];
  }
  return sequence;
}

inline double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename T>
inline void Keep(T const& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace shardns::bench
