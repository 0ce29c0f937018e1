// What the arena and the index cost, under the size mix that the allocators were compared with.
#include <cmath>
#include <fstream>
#include <random>

#include "cache_fixture.h"

namespace shardns::test {
namespace {

// Sizes with p50 116, p90 240, p99 1577 octets.
[[maybe_unused]] size_t MixedSize(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  const double u = uniform(random);
  const auto between = [](double u, double u0, double u1, double from, double to) {
    return from * std::pow(to / from, (u - u0) / (u1 - u0));
  };
  if (u < 0.5) return static_cast<size_t>(between(u, 0, 0.5, 60, 116));
  if (u < 0.9) return static_cast<size_t>(between(u, 0.5, 0.9, 116, 240));
  if (u < 0.99) return static_cast<size_t>(between(u, 0.9, 0.99, 240, 1577));
  return static_cast<size_t>(between(u, 0.99, 1, 1577, 4000));
}

// A response of about that size: addresses, as many as fit, and text beyond a few.
[[maybe_unused]] Buffer ResponseOfSize(const std::string& name, size_t size) {
  MessageBuilder builder(1, 0x8180);
  builder.Question(name, 1);
  builder.Record(6, {0xC0, 0x0C}, 1, 3600, {1, 2, 3, 4});
  size_t left = size > builder.bytes().size() ? size - builder.bytes().size() : 0;
  for (int i = 0; i < 3 && left >= 16 + 13; ++i, left -= 16) {
    builder.Record(6, {0xC0, 0x0C}, 1, 3600, {1, 2, 4, static_cast<uint8_t>(i)});
  }
  if (left >= 13) builder.Record(10, {0xC0, 0x0C}, 65280, 3600, Buffer(left - 12, 7));
  return builder.bytes();
}

#ifndef SHARDNS_TSAN  // measures, on one thread
TEST(Space, WasteOfTheArenaAndOverheadOfAnEntryAreAsPromised) {
  for (const auto policy : kAllPolicies) {
    TestCache t({.bytes = size_t{64} << 20, .policy = policy, .seed = 9});
    std::mt19937 random(3);
    for (int i = 0; i < 900'000; ++i) {
      // One in ten is negative, so that the quota fills too; one in five is asked again.
      const std::string name =
          "host-" + std::to_string(i % 5 == 1 ? i - static_cast<int>(random() % 200'000) : i) + ".example.com";
      if (i % 10 == 0) {
        t.Insert(NxDomain("no-" + std::to_string(i) + ".example.com", "example.com", 3600, 3600));
      } else if (i % 5 == 1) {
        t.Ask(Query(name));
      } else {
        ASSERT_EQ(t.Insert(ResponseOfSize(name, MixedSize(random))), Status::kOk);
      }
    }
    answers::Cache::ShardType::Space all = {};
    for (uint32_t s = 0; s < t.cache->shards(); ++s) {
      const auto space = t.cache->shard(s).MeasureSpace();
      all.live_octets += space.live_octets;
      all.live_units += space.live_units;
      all.arena_octets += space.arena_octets;
      all.index_octets += space.index_octets;
      all.entries += space.entries;
      all.message_octets += space.message_octets;
    }
    const double waste = 1 - static_cast<double>(all.live_octets) / static_cast<double>(all.arena_octets);
    const double overhead =
        static_cast<double>(all.live_octets - all.message_octets + all.index_octets) / static_cast<double>(all.entries);
    std::printf("%s: %llu entries of %.0f octets, waste %.1f %%, metadata and index %.1f octets an entry\n",
                store::TraitsOf(policy).name, static_cast<unsigned long long>(all.entries),
                static_cast<double>(all.message_octets) / static_cast<double>(all.entries), waste * 100, overhead);
    EXPECT_TRUE(t.cache->CheckInvariants());
    EXPECT_LT(waste, policy == store::PolicyKind::kLru ? 0.13 : 0.09);
    if (policy == store::PolicyKind::kS3Fifo) {
      EXPECT_LT(overhead, 31.0);
    }
  }
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(SHARDNS_TSAN)
size_t ResidentOctets() {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  statm >> pages >> pages;
  return pages * 4096;
}

TEST(Space, ResidentMemoryNeverPassesTheConfiguredSizeWhateverIsInserted) {
  constexpr size_t kBytes = size_t{32} << 20;
  std::mt19937 random(8);
  for (const auto policy : kAllPolicies) {
    const size_t before = ResidentOctets();
    TestCache t({.bytes = kBytes, .policy = policy, .seed = 2});
    size_t most = 0;
    for (int i = 0; i < 400'000; ++i) {
      const std::string name = "host-" + std::to_string(random() % 300'000) + ".example.com";
      t.Insert(ResponseOfSize(name, i % 100 == 0 ? random() % 60'000 : MixedSize(random)));
      if (i % 5000 == 0) most = std::max(most, ResidentOctets());
    }
    EXPECT_LE(most, before + kBytes + kBytes / 20);
    EXPECT_GT(most, before + kBytes / 2);
  }
}
#endif

}  // namespace
}  // namespace shardns::test
