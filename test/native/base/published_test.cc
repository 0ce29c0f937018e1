// A value replaced whole under its readers. Run under the address and thread sanitizers, which see what is freed too
// early.
#include "base/published.h"

#include <gtest/gtest.h>

#include <thread>

namespace shardns::test {
namespace {

struct Counted {
  explicit Counted(std::vector<int> values) : values(std::move(values)) { ++alive; }
  ~Counted() {
    std::fill(values.begin(), values.end(), -1);
    --alive;
  }
  std::vector<int> values;
  static inline std::atomic<int> alive{0};
};
std::unique_ptr<const Counted> Make(int n) { return std::make_unique<const Counted>(std::vector<int>(512, n)); }

TEST(Published, WhatAReaderHoldsOutlivesAnyNumberOfUpdates) {
  {
    Published<Counted> published;
    Published<Counted>::Reader reader(published), idle(published);
    EXPECT_FALSE(reader.Take());
    published.Publish(Make(0));
    {
      const auto held = reader.Take();
      for (int n = 1; n <= 100; ++n) published.Publish(Make(n));
      EXPECT_EQ(held->values.front(), 0);
      EXPECT_EQ(idle.Take()->values.front(), 100);
      EXPECT_EQ(published.replaced(), 1u);  // those that nobody holds are gone
      EXPECT_EQ(Counted::alive, 2);
    }
    published.Publish(nullptr);
    EXPECT_FALSE(reader.Take());
    EXPECT_EQ(Counted::alive, 0);
    published.Publish(Make(1));
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(Published, ReadersInOtherThreadsNeverSeeAValueThatIsGone) {
  Published<Counted> published;
  published.Publish(Make(0));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      Published<Counted>::Reader reader(published);
      int last = 0;
      while (!stop) {
        const auto held = reader.Take();
        const int first = held->values.front();
        EXPECT_GE(first, last);
        EXPECT_TRUE(std::all_of(held->values.begin(), held->values.end(), [&](int one) { return one == first; }));
        last = first;
        ++reads;
      }
    });
  }
  for (int n = 1; n <= 20'000 || reads < 1000; ++n) {
    published.Publish(Make(n));
    EXPECT_LE(published.replaced(), 3u);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  published.Publish(nullptr);
  EXPECT_EQ(published.replaced(), 0u);
  EXPECT_EQ(Counted::alive, 0);
}

}  // namespace
}  // namespace shardns::test
