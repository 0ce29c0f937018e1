// Random operations against a small reference, invariants checked as it goes; and the space promises of the arena.
#include <map>
#include <random>

#include "cache_fixture.h"

namespace shardns::test {
namespace {

Buffer TextResponse(const std::string& name, uint32_t ttl, size_t size, uint8_t mark) {
  Buffer text;
  for (size_t left = std::max<size_t>(size, 2); left > 0;) {
    const size_t piece = std::min<size_t>(left - 1, 255);
    text.push_back(static_cast<uint8_t>(piece));
    text.insert(text.end(), piece, mark);
    left -= piece + 1;
    if (left == 1) break;
  }
  return MessageBuilder(1, 0x8180).Question(name, 16).Record(6, {0xC0, 0x0C}, 16, ttl, text).bytes();
}

class ModelTest : public testing::TestWithParam<store::PolicyKind> {};

TEST_P(ModelTest, AnswersAreNeverWrongAndInvariantsHold) {
  TestCache t({.bytes = 1 << 20, .shards = 1, .policy = GetParam(), .average_entry_bytes = 400, .seed = 11});
  struct Expected {
    Buffer message;
    uint32_t expires;
  };
  std::map<std::string, Expected> model;
  std::mt19937 random(42);
  uint64_t hits = 0;
#ifdef SHARDNS_TSAN
  constexpr int kSteps = 10'000;  // no threads here: nothing for it to see
#else
  constexpr int kSteps = 200'000;
#endif
  for (int step = 0; step < kSteps; ++step) {
    const std::string name = "n" + std::to_string(random() % 4000) + ".example";
    const uint32_t action = random() % 100;
    if (action < 40) {
      const uint32_t ttl = 1 + random() % 600;
      const size_t size = random() % 50 == 0 ? random() % 30000 : random() % 400;
      const Buffer message = TextResponse(name, ttl, size, static_cast<uint8_t>(random()));
      ASSERT_EQ(t.Insert(message), Status::kOk);
      model[name] = {message, t.now + ttl};
    } else if (action < 95) {
      if (t.Ask(Query(name, 16, 0), false).verdict == udp::Verdict::kReply) {
        ++hits;
        const auto found = model.find(name);
        ASSERT_NE(found, model.end());
        ASSERT_LT(t.now, found->second.expires);
        ASSERT_EQ(t.answer.size(), found->second.message.size());
        const size_t ttl_at = 12 + Name(name).size() + 4 + 6;
        ASSERT_EQ(Load32(&t.answer[ttl_at]), found->second.expires - t.now);
        ASSERT_TRUE(std::equal(t.answer.begin() + static_cast<long>(ttl_at) + 4, t.answer.end(),
                               found->second.message.begin() + static_cast<long>(ttl_at) + 4));
      }
    } else if (action < 97) {
      t.cache->Remove(Name(name), 16, {});
      model.erase(name);
    } else {
      t.now += random() % 3;
    }
    if (step % 2000 == 0) {
      ASSERT_TRUE(t.cache->CheckInvariants()) << step;
    }
  }
  EXPECT_GT(hits, kSteps / 20u);
  ASSERT_TRUE(t.cache->CheckInvariants());
}

INSTANTIATE_TEST_SUITE_P(Policies, ModelTest, testing::ValuesIn(kAllPolicies), PolicyName);

TEST(LruPolicy, TheLeastRecentlyUsedGoesFirstExactly) {
  TestCache t({.bytes = 1 << 20, .shards = 1, .policy = store::PolicyKind::kLru, .average_entry_bytes = 64, .seed = 5});
  // Fill until something has to go, touching name 0 all the while.
  int i = 0;
  for (; t.cache->TotalStats().evictions_main == 0; ++i) {
    ASSERT_EQ(t.Insert(AResponse("n" + std::to_string(i) + ".example")), Status::kOk);
    ASSERT_TRUE(t.Hits(Query("n0.example")));
  }
  EXPECT_TRUE(t.Hits(Query("n0.example")));
  EXPECT_FALSE(t.Hits(Query("n1.example")));
  EXPECT_TRUE(t.Hits(Query("n" + std::to_string(i / 2) + ".example")));
}

// Asks for the names and stores those that are not there; returns how many were.
int AskAll(TestCache* t, const std::string& prefix, int from, int to) {
  int hits = 0;
  for (int i = from; i < to; ++i) {
    const std::string name = prefix + std::to_string(i) + ".example";
    if (t->Hits(Query(name))) {
      ++hits;
    } else {
      t->Insert(AResponse(name));
    }
  }
  return hits;
}

TEST(S3FifoPolicy, AScanDoesNotEvictWhatIsAskedTwice) {
  TestCache t({.bytes = 2 << 20, .shards = 1, .seed = 5});
  AskAll(&t, "hot", 0, 1000);
  EXPECT_EQ(AskAll(&t, "hot", 0, 1000), 1000);
  AskAll(&t, "scan", 0, 100'000);
  EXPECT_GT(AskAll(&t, "hot", 0, 1000), 950);
}

TEST(LfuPolicy, AScanDoesNotEvictWhatIsAskedOften) {
  TestCache t({.bytes = 2 << 20, .shards = 1, .policy = store::PolicyKind::kLfu, .seed = 5});
  for (int round = 0; round < 20; ++round) AskAll(&t, "hot", 0, 1000);
  for (int scanned = 0; scanned < 100'000; scanned += 10'000) {
    AskAll(&t, "scan", scanned, scanned + 10'000);
    EXPECT_GT(AskAll(&t, "hot", 0, 1000), 980) << scanned;
  }
  EXPECT_TRUE(t.cache->CheckInvariants());
}

TEST(LfuPolicy, WhatWasHotOnceAndIsNoMoreLosesItsPlace) {
  TestCache t({.bytes = 1 << 20, .shards = 1, .policy = store::PolicyKind::kLfu, .seed = 5});
  const int most = static_cast<int>(t.cache->shard(0).bucket_count() * store::kSlotsPerBucket);
  // As hot as counters and slots can say, and as many as there is room for.
  for (int round = 0; round < 40; ++round) AskAll(&t, "old", 0, most);
  for (int round = 0; round < 100; ++round) AskAll(&t, "new", 0, most / 4);
  EXPECT_GT(AskAll(&t, "new", 0, most / 4), most / 4 * 95 / 100);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

TEST(TwoQueuePolicy, HitsSoonAfterTheFirstEarnNothing) {
  TestCache t({.bytes = 1 << 20, .shards = 1, .policy = store::PolicyKind::kTwoQueue, .seed = 5});
  const int most = static_cast<int>(t.cache->shard(0).bucket_count() * store::kSlotsPerBucket);
  AskAll(&t, "fill", 0, 2 * most);  // until something has to go
  for (int i = 0; i < 3; ++i) AskAll(&t, "burst", 0, 100);
  AskAll(&t, "scan", 0, most / 2);  // more than the small queue holds
  EXPECT_EQ(AskAll(&t, "burst", 0, 100), 0);
  // They are remembered: now they are believed to be wanted, and the next scan leaves them alone.
  AskAll(&t, "scan", most / 2, 2 * most);
  EXPECT_GT(AskAll(&t, "burst", 0, 100), 95);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

TEST(Quota, AFloodOfNegativesLeavesPositivesAlone) {
  for (const auto policy : kAllPolicies) {
    TestCache t({.bytes = 2 << 20, .shards = 1, .policy = policy, .seed = 5});
    for (int i = 0; i < 500; ++i) {
      const std::string name = "p" + std::to_string(i) + ".example";
      ASSERT_EQ(t.Insert(AResponse(name)), Status::kOk);
      t.Hits(Query(name));
    }
    for (int i = 0; i < 50'000; ++i) t.Insert(NxDomain("r" + std::to_string(i) + ".example", "example"));
    int left = 0;
    for (int i = 0; i < 500; ++i) left += t.Hits(Query("p" + std::to_string(i) + ".example"));
    EXPECT_GE(left, 498);  // a few may lose their index slot
  }
}

}  // namespace
}  // namespace shardns::test
