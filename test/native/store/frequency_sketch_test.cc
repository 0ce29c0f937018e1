// What the sketch remembers, and that it forgets.
#include "store/frequency_sketch.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace shardns::test {
namespace {

using store::FrequencySketch;

struct Sketch {
  static inline const uint32_t kLines = FrequencySketch::LinesFor(2000);
  std::vector<uint8_t> lines = std::vector<uint8_t>(kLines * FrequencySketch::kLineOctets);
  FrequencySketch::Head head = {};
  FrequencySketch sketch{lines.data(), kLines, &head};
};

uint64_t HashOf(uint64_t n) { return std::mt19937_64(n)(); }

TEST(FrequencySketch, CountsUpToFifteenAndTellsWhatWasNeverThere) {
  Sketch t;
  EXPECT_EQ(t.sketch.Estimate(HashOf(1)), 0u);
  for (uint32_t i = 1; i <= 40; ++i) {
    t.sketch.Add(HashOf(1));
    EXPECT_EQ(t.sketch.Estimate(HashOf(1)), std::min(i, FrequencySketch::kMost));
  }
  EXPECT_EQ(t.sketch.Estimate(HashOf(2)), 0u);
}

TEST(FrequencySketch, NeighboursSpoilFewEstimatesWhenTheIndexIsFull) {
  Sketch t;
  const uint32_t entries = Sketch::kLines * FrequencySketch::kEntriesPerLine;
  for (int round = 0; round < 4; ++round) {
    for (uint32_t n = 0; n < entries; ++n) t.sketch.Add(HashOf(n));
  }
  uint32_t too_high = 0;
  for (uint32_t n = 0; n < 10'000; ++n) too_high += t.sketch.Estimate(HashOf(entries + n)) >= 3;
  EXPECT_LT(too_high, 500u);
}

TEST(FrequencySketch, WhatIsAskedForNoMoreIsForgottenAfterFourAgings) {
  Sketch t;
  for (int i = 0; i < 20; ++i) t.sketch.Add(HashOf(1));
  EXPECT_EQ(t.sketch.Estimate(HashOf(1)), FrequencySketch::kMost);
  // Additions that are all of one other key raise no counter but its own, and age every line all the same.
  const uint32_t aging = Sketch::kLines * FrequencySketch::kAdditionsPerLine;
  for (uint32_t i = 0; i < 4 * aging; ++i) t.sketch.Add(HashOf(2));
  EXPECT_EQ(t.sketch.Estimate(HashOf(1)), 0u);
  EXPECT_GE(t.sketch.Estimate(HashOf(2)), 7u);
}

TEST(FrequencySketch, WorksOnWhateverStandsInItsMemory) {
  Sketch t;
  std::mt19937 random(3);
  for (uint8_t& octet : t.lines) octet = static_cast<uint8_t>(random());
  t.head = {.additions = UINT32_MAX, .next = UINT32_MAX};
  for (uint32_t i = 0; i < 100'000; ++i) {
    t.sketch.Add(HashOf(i));
    ASSERT_LE(t.sketch.Estimate(HashOf(i)), FrequencySketch::kMost);
  }
}

}  // namespace
}  // namespace shardns::test
