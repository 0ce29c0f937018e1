// Values under keys: what comes back, for how long, what is forgotten with what.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "all_policies.h"
#include "bytes/byte_cache.h"

namespace shardns::test {
namespace {

using bytes::ByteOutcome;

Bytes Of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

struct TestBytes {
  explicit TestBytes(store::RegionOptions options = {.bytes = size_t{2} << 20, .shards = 1, .seed = 7}) {
    options.kind = store::RegionKind::kBytes;
    cache = bytes::ByteCache::Over<bytes::ByteCache>(store::Region::Create(options));
    reader = cache->NewReader();
  }
  static std::string Key(const std::string& key, const std::string& space = "") {
    return static_cast<char>(space.size()) + space + key;
  }
  Status Set(const std::string& key, const std::string& value, bytes::ByteSet set = {}) {
    const std::string whole = Key(key, space);
    set.key = Of(whole);
    set.value = Of(value);
    set.now = now;
    return cache->Set(set);
  }
  // The value; "?" when there is none.
  std::string Get(const std::string& key, bool allow_stale = false) {
    const std::string whole = Key(key, space);
    std::vector<uint8_t> out(bytes::kMaxValueOctets);
    cache->Get({.key = Of(whole), .now = now, .allow_stale = allow_stale}, reader, out, &seen);
    if (seen.outcome != ByteOutcome::kHit && seen.outcome != ByteOutcome::kStale) return "?";
    return {out.begin(), out.begin() + seen.length};
  }
  std::unique_ptr<bytes::ByteCache> cache;
  store::Reader* reader;
  bytes::ByteSeen seen;
  uint64_t now = 1'000'000;
  std::string space;
};

TEST(Bytes, LiveToTheMillisecond) {
  TestBytes t;
  ASSERT_EQ(t.Set("a", "value", {.ttl_ms = 50}), Status::kOk);
  ASSERT_EQ(t.Set("b", "for ever"), Status::kOk);
  t.now += 49;
  EXPECT_EQ(t.Get("a"), "value");
  EXPECT_EQ(t.seen.remaining_ms, 1);
  t.now += 1;
  EXPECT_EQ(t.Get("a"), "?");
  t.now += uint64_t{1} << 50;
  EXPECT_EQ(t.Get("b"), "for ever");
  EXPECT_EQ(t.Get("a"), "?");
}

TEST(Bytes, OfAnyLengthUpToSixtyFourKibibytes) {
  TestBytes t;
  EXPECT_EQ(t.Set("empty", ""), Status::kOk);
  EXPECT_EQ(t.Get("empty"), "");
  const std::string longest(65536, 'x');
  EXPECT_EQ(t.Set("long", longest), Status::kOk);
  EXPECT_EQ(t.Get("long"), longest);
  EXPECT_EQ(t.Set("longer", longest + 'x'), Status::kTooLarge);
  EXPECT_EQ(t.Set(std::string(4095, 'k'), "v"), Status::kOk);
  EXPECT_EQ(t.Get(std::string(4095, 'k')), "v");
  EXPECT_EQ(t.Set(std::string(4096, 'k'), "v"), Status::kTooLarge);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

TEST(Bytes, NamespacesAndTagsAreForgottenWhole) {
  TestBytes t;
  const uint16_t red = t.cache->TagMark(Of("red"));
  ASSERT_EQ(t.Set("a", "1", {.tags = 1, .tag = {red}}), Status::kOk);
  ASSERT_EQ(t.Set("b", "2"), Status::kOk);
  t.space = "users";
  ASSERT_EQ(t.Set("a", "3"), Status::kOk);
  EXPECT_EQ(t.Get("a"), "3");
  t.cache->ForgetTag(red);
  EXPECT_EQ(t.Get("a"), "3");
  const std::string users = TestBytes::Key("", "users");
  t.cache->ForgetNamespace(Of(users));
  EXPECT_EQ(t.Get("a"), "?");
  t.space = "";
  EXPECT_EQ(t.Get("a"), "?");
  EXPECT_EQ(t.Get("b"), "2");
  const uint32_t before = t.cache->generation();
  t.cache->ForgetTag(red);
  ASSERT_EQ(t.Set("late", "4", {.tags = 1, .tag = {red}, .generation = before}), Status::kOk);
  EXPECT_EQ(t.Get("late"), "?");  // asked for before it was forgotten
  t.cache->ForgetAll();
  EXPECT_EQ(t.Get("b"), "?");
}

TEST(Bytes, StaleOnesAndFailuresAreTold) {
  TestBytes t;
  t.cache->SetStaleWindow(1000);
  ASSERT_EQ(t.Set("a", "old", {.ttl_ms = 10}), Status::kOk);
  ASSERT_EQ(t.Set("f", "it failed", {.ttl_ms = 10, .flags = bytes::byte_flag::kFailure}), Status::kOk);
  EXPECT_EQ(t.Get("f"), "?");
  EXPECT_EQ(t.seen.outcome, ByteOutcome::kFailure);
  t.now += 20;
  EXPECT_EQ(t.Get("a"), "?");
  EXPECT_EQ(t.Get("a", true), "old");
  EXPECT_EQ(t.seen.outcome, ByteOutcome::kStale);
  EXPECT_EQ(t.seen.remaining_ms, -10);
  EXPECT_EQ(t.Get("f", true), "?");
  EXPECT_EQ(t.seen.outcome, ByteOutcome::kMiss);
  t.now += 1000;
  EXPECT_EQ(t.Get("a", true), "?");
}

TEST(Bytes, RefreshIsAskedForOnceAndTheEarlierTheMorePopular) {
  TestBytes t;
  auto& shares = t.cache->tunables().refresh_share;
  shares[1] = 13;
  shares[2] = 26;
  shares[3] = 51;
  ASSERT_EQ(t.Set("a", "1", {.ttl_ms = 1000}), Status::kOk);
  ASSERT_EQ(t.Set("rare", "1", {.ttl_ms = 1000}), Status::kOk);
  for (int i = 0; i < 5; ++i) {
    t.Get("a");
    EXPECT_FALSE(t.seen.refresh);
  }
  t.now += 850;
  t.Get("rare");
  EXPECT_FALSE(t.seen.refresh);
  t.Get("a");
  EXPECT_TRUE(t.seen.refresh);
  t.Get("a");
  EXPECT_FALSE(t.seen.refresh);
}

TEST(Bytes, TouchKeepsValueAndTags) {
  TestBytes t;
  const uint16_t red = t.cache->TagMark(Of("red"));
  std::vector<uint8_t> scratch(bytes::kMaxValueOctets);
  ASSERT_EQ(t.Set("a", "value", {.ttl_ms = 10, .tags = 1, .tag = {red}}), Status::kOk);
  const std::string key = TestBytes::Key("a");
  EXPECT_TRUE(t.cache->Touch({.key = Of(key), .ttl_ms = 100, .now = t.now}, scratch));
  t.now += 99;
  EXPECT_EQ(t.Get("a"), "value");
  t.cache->ForgetTag(red);
  EXPECT_FALSE(t.cache->Touch({.key = Of(key), .ttl_ms = 100, .now = t.now}, scratch));
  EXPECT_EQ(t.Get("a"), "?");
}

class ByteModel : public testing::TestWithParam<store::PolicyKind> {};

TEST_P(ByteModel, WhatIsThereIsWhatWasStoredLast) {
  TestBytes t({.bytes = size_t{1} << 20, .shards = 1, .policy = GetParam(), .seed = 9});
  t.cache->SetStaleWindow(50);
  std::map<std::string, std::string> model;
  std::mt19937 random(4);
  uint64_t hits = 0;
#ifdef SHARDNS_TSAN
  constexpr int kSteps = 20'000;  // no threads here: nothing for it to see
#else
  constexpr int kSteps = 60'000;
#endif
  for (int step = 0; step < kSteps; ++step) {
    const std::string key = "key-" + std::to_string(random() % 3000);
    switch (random() % 8) {
      case 0:
        t.cache->Remove(Of(TestBytes::Key(key)));
        model.erase(key);
        break;
      case 1:
      case 2:
      case 3: {
        const std::string value(random() % (random() % 50 == 0 ? 60'000 : 700), static_cast<char>('a' + step % 26));
        ASSERT_EQ(t.Set(key, value, {.ttl_ms = random() % 3 == 0 ? bytes::kNever : 1 + random() % 400}), Status::kOk);
        model[key] = value;
        break;
      }
      default: {
        const std::string value = t.Get(key, random() % 2 == 0);
        if (value == "?") break;
        ++hits;
        ASSERT_EQ(value, model[key]);
      }
    }
    t.now += random() % 2;
    if (step % 5000 == 0) {
      ASSERT_TRUE(t.cache->CheckInvariants()) << step;
    }
  }
  EXPECT_GT(hits, kSteps / 20u);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

INSTANTIATE_TEST_SUITE_P(Policies, ByteModel, testing::ValuesIn(kAllPolicies), PolicyName);

}  // namespace
}  // namespace shardns::test
