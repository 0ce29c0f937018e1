// How full the index gets before it turns an entry away, and what readers see while it makes room.
#include <atomic>
#include <thread>

#include "cache_fixture.h"
#include "marked.h"

namespace shardns::test {
namespace {

// One shard with far more arena than these entries need: only the index can lose one.
constexpr store::RegionOptions kRoomy = {.bytes = size_t{1} << 20, .shards = 1, .average_entry_bytes = 512, .seed = 7};
std::string NthName(size_t i) { return "n" + std::to_string(i) + ".example"; }
size_t SlotsOf(const TestCache& t) { return t.cache->shard(0).bucket_count() * store::kSlotsPerBucket; }

TEST(Index, LosesNoEntryBelow85PercentAndOneIn5000At90) {
  size_t stored = 0, lost = 0;
  for (const auto policy : kAllPolicies) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      store::RegionOptions options = kRoomy;
      options.policy = policy;
      options.seed = seed;
      TestCache t(options);
      const size_t slots = SlotsOf(t);
      size_t i = 0;
      for (; i < slots * 85 / 100; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
      EXPECT_EQ(t.cache->TotalStats().evictions_index, 0u);
      for (; i < slots * 90 / 100; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
      const size_t evicted = t.cache->TotalStats().evictions_index;
      size_t missed = 0;
      for (size_t n = 0; n < i; ++n) missed += !t.Hits(Query(NthName(n)));
      EXPECT_EQ(missed, evicted);
      EXPECT_TRUE(t.cache->CheckInvariants());
      stored += i;
      lost += evicted;
    }
  }
  EXPECT_LT(lost, stored / 5000);
}

TEST(Index, TurnsTheLeastPopularAwayWhenItIsFull) {
  TestCache t(kRoomy);
  const size_t slots = SlotsOf(t);
  const size_t asked = slots / 2;
  for (size_t i = 0; i < asked; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
  for (size_t i = 0; i < asked; ++i) ASSERT_TRUE(t.Hits(Query(NthName(i))));
  for (size_t i = asked; i < 2 * slots; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
  size_t kept = 0;
  for (size_t i = 0; i < asked; ++i) kept += t.Hits(Query(NthName(i)));
  EXPECT_EQ(kept, asked);
  EXPECT_GT(t.cache->TotalStats().evictions_index, 0u);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

// What was popular once is not for ever where the logs, whose tails age it, have room left.
TEST(Index, GivesWhatIsWantedNowThePlaceOfWhatWasWantedOnce) {
  for (const auto policy : kAllPolicies) {
    store::RegionOptions options = kRoomy;
    options.policy = policy;
    TestCache t(options);
    const size_t slots = SlotsOf(t);
    for (size_t i = 0; i < slots; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
    for (int n = 0; n < 4; ++n) {
      for (size_t i = 0; i < slots; ++i) t.Hits(Query(NthName(i)));
    }
    const size_t wanted = slots / 2;
    size_t hits = 0;
    for (int round = 0; round < 5; ++round) {
      hits = 0;
      for (size_t i = slots; i < slots + wanted; ++i) {
        const Buffer query = Query(NthName(i));
        const bool hit = t.Hits(query);
        hits += hit;
        if (hit) continue;
        ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
        ASSERT_TRUE(t.Hits(query));
      }
    }
    EXPECT_GT(hits, wanted * 95 / 100) << store::TraitsOf(policy).name;
    EXPECT_TRUE(t.cache->CheckInvariants());
  }
}

TEST(Index, ReadersMissNoEntryThatIsMovedToItsSecondBucket) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    store::RegionOptions options = kRoomy;
    options.seed = seed;
    TestCache t(options);
    const size_t stay = SlotsOf(t) / 2;
    std::vector<Buffer> queries;
    for (size_t i = 0; i < stay; ++i) {
      ASSERT_EQ(t.Insert(Marked(NthName(i), 1)), Status::kOk);
      queries.push_back(Query(NthName(i)));
    }
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> reads{0};
    std::thread reader([&] {
      udp::Responder responder(t.cache.get(), t.cache->NewReader());
      Buffer out(2048);
      for (size_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        const size_t n = i % stay;
        wire::Query parsed;
        const udp::Response response = responder.Respond(queries[n], {.now = 16032}, &parsed, out);
        ASSERT_EQ(response.verdict, udp::Verdict::kReply) << n;
        ASSERT_TRUE(IsMarked(NthName(n), queries[n], std::span(out).first(response.length), 2));
        reads.fetch_add(1, std::memory_order_relaxed);
      }
    });
    while (reads.load() == 0) std::this_thread::yield();
    for (size_t i = stay; i < SlotsOf(t) * 85 / 100; ++i) ASSERT_EQ(t.Insert(AResponse(NthName(i))), Status::kOk);
    stop = true;
    reader.join();
    EXPECT_EQ(t.cache->TotalStats().evictions_index, 0u);
    EXPECT_TRUE(t.cache->CheckInvariants());
  }
}

}  // namespace
}  // namespace shardns::test
