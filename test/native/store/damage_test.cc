// A region that somebody scribbles over: operations refuse, rebuild or go on, and never leave the region's memory.
#include <algorithm>
#include <random>

#include "cache_fixture.h"

namespace shardns::test {
namespace {

constexpr size_t kBytes = size_t{1} << 20;
#ifdef SHARDNS_TSAN
constexpr int kRounds = 4;  // no threads here: nothing for it to see
#else
constexpr int kRounds = 60;
#endif

// In heap memory of exactly the region's size, so that AddressSanitizer sees every step beyond it.
struct BorrowedCache {
  std::unique_ptr<uint8_t[]> memory;
  std::span<uint8_t> region;
  std::unique_ptr<answers::Cache> cache;
  std::unique_ptr<answers::PrepareScratch> scratch{new answers::PrepareScratch};

  explicit BorrowedCache(store::PolicyKind policy) : memory(new uint8_t[kBytes + 64]()) {
    const size_t skip = -reinterpret_cast<uintptr_t>(memory.get()) % 64;
    region = {memory.get() + skip, kBytes};
    cache = answers::Cache::Over<answers::Cache>(
        store::Region::CreateIn(region, {.shards = 1, .policy = policy, .average_entry_bytes = 100, .seed = 5}));
  }
  Status Insert(const Buffer& response) {
    answers::EntryImage image;
    return cache->Insert({.prepare = {.response = response}, .variant = {}, .now = 16000}, scratch.get(), &image);
  }
};

class Damage : public testing::TestWithParam<store::PolicyKind> {};

Buffer ResponseFor(uint32_t n) {
  const std::string name = "name-" + std::to_string(n) + ".damage.example";
  return n % 5 == 0 ? MessageBuilder(0, 0x8183).Question(name, 1).Soa("example", 60, 60).bytes()
                    : AResponse(name, 60, {static_cast<uint8_t>(n), static_cast<uint8_t>(~n)});
}

TEST_P(Damage, IsSurvivedWhereverItIs) {
  std::mt19937 random(7);
  for (int round = 0; round < kRounds; ++round) {
    BorrowedCache t(GetParam());
    ASSERT_NE(t.cache, nullptr);
    t.cache->tunables().modes = answers::mode::kRotate;
    udp::Responder responder(t.cache.get(), t.cache->NewReader());
    Buffer out(2048), listed(64 << 10);
    for (uint32_t n = 0; n < 3000; ++n) t.Insert(ResponseFor(n));
    for (int blow = 0; blow < 40; ++blow) {
      // Now and then the shard's head, else anywhere behind the superblock; random words, and words nearly right.
      const size_t superblock = store::SuperblockOf(t.region.data())->header_bytes;
      const size_t reach = random() % 3 == 0 ? sizeof(store::ShardHeader) : kBytes - superblock - 8;
      const size_t at = superblock + 64 * (random() % 3 == 0) + random() % reach / 4 * 4;
      if (at + 8 <= kBytes) {
        uint64_t word;
        std::memcpy(&word, &t.region[at], 8);
        word = random() % 2 == 0 ? word ^ (uint64_t{1} << (random() % 64)) : uint64_t{random()} << 32 | random();
        // The lock word stays: a lock that nobody holds and nobody lets go is another matter.
        if (at >= superblock + 8) std::memcpy(&t.region[at], &word, 8);
      }
      for (int i = 0; i < 60; ++i) {
        const uint32_t n = random() % 4000;
        t.Insert(ResponseFor(n));
        const Buffer query = Query("name-" + std::to_string(random() % 4000) + ".damage.example");
        wire::Query parsed;
        responder.Respond(query, {.now = 16032}, &parsed, out);
        if (i % 16 == 0) {
          const Buffer name = Name("name-" + std::to_string(n) + ".damage.example");
          t.cache->Remove(name, 1, {});
        }
      }
      size_t written = 0;
      t.cache->shard(0).List(
          0, 16032, [](const uint8_t*, const auto&) { return false; }, listed, &written);
    }
  }
}

TEST_P(Damage, AShardWhoseLogsCannotBeRightBeginsAnewAndWorks) {
  BorrowedCache t(GetParam());
  for (uint32_t n = 0; n < 100; ++n) t.Insert(ResponseFor(n));
  auto* header =
      reinterpret_cast<store::ShardHeader*>(t.region.data() + store::SuperblockOf(t.region.data())->header_bytes);
  std::memset(static_cast<void*>(header->logs), 0xEE, sizeof header->logs);
  EXPECT_EQ(t.Insert(ResponseFor(1)), Status::kOk);
  EXPECT_EQ(header->counters.rebuilds.Get(), 1u);
  EXPECT_EQ(t.cache->TotalStats().entries, 1u);
  EXPECT_TRUE(t.cache->CheckInvariants());
  for (uint32_t n = 0; n < 20'000; ++n) ASSERT_EQ(t.Insert(ResponseFor(n)), Status::kOk);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

INSTANTIATE_TEST_SUITE_P(Policies, Damage, testing::ValuesIn(kAllPolicies), PolicyName);

TEST(Damage, AScribbledTableOfInvalidationsForgetsAndIsForgotten) {
  BorrowedCache t(store::PolicyKind::kS3Fifo);
  t.Insert(ResponseFor(1));
  const size_t table = offsetof(store::Superblock, invalidations);
  std::memset(&t.region[table], 0x55, sizeof(store::Superblock) - table + 4096);
  udp::Responder responder(t.cache.get(), t.cache->NewReader());
  Buffer out(2048);
  wire::Query parsed;
  const auto verdict = [&] {
    return responder.Respond(Query("name-1.damage.example"), {.now = 16032}, &parsed, out).verdict;
  };
  EXPECT_EQ(verdict(), udp::Verdict::kMiss);
  t.Insert(ResponseFor(1));
  EXPECT_EQ(verdict(), udp::Verdict::kReply);
  t.cache->ForgetName(Name("name-1.damage.example"));
  EXPECT_EQ(verdict(), udp::Verdict::kMiss);
}

// A reader has a copy to itself, but not of octets that were checked: rotation moves addresses that owners lead
// through.
TEST(Damage, RotationOverOwnersThatLeadThroughAddressesEnds) {
  BorrowedCache t(store::PolicyKind::kS3Fifo);
  t.cache->tunables().modes = answers::mode::kRotate;
  ASSERT_EQ(t.Insert(AResponse("h.x", 60, {1, 2, 3})), Status::kOk);
  const Buffer query = Query("h.x");
  const uint8_t first_data = static_cast<uint8_t>(query.size() + 12);
  const Buffer addresses[] = {{192, 0, 2, 1}, {192, 0, 2, 2}};
  const auto at = std::search(t.region.begin(), t.region.end(), addresses[0].begin(), addresses[0].end());
  ASSERT_NE(at, t.region.end());
  const Buffer name = {1, 'a', 0, 0};               // a name in the first address
  const Buffer pointer = {0xC0, first_data, 0, 0};  // a pointer to it in the second, which a turn moves onto itself
  std::copy(name.begin(), name.end(), at);
  std::copy(pointer.begin(), pointer.end(), at + 16);
  std::copy(pointer.begin(), pointer.begin() + 2, at + 20);  // the third record's owner
  udp::Responder responder(t.cache.get(), t.cache->NewReader());
  Buffer out(2048);
  wire::Query parsed;
  for (int i = 0; i < 64; ++i) responder.Respond(query, {.now = 16032}, &parsed, out);
}

TEST(Attach, TakesOnlyWhatItWroteItself) {
  BorrowedCache t(store::PolicyKind::kS3Fifo);
  t.Insert(ResponseFor(1));
  const char* problem = nullptr;
  const auto attached = store::Region::Attach(t.region, store::RegionKind::kAnswers, &problem);
  ASSERT_NE(attached, nullptr) << problem;
  EXPECT_EQ(store::Region::Attach(t.region, store::RegionKind::kBytes, &problem), nullptr);
  EXPECT_EQ(answers::Cache(store::Region::Attach(t.region, store::RegionKind::kAnswers, &problem)).TotalStats().inserts,
            1u);
  EXPECT_EQ(store::Region::Attach(t.region.first(kBytes / 2), store::RegionKind::kAnswers, &problem), nullptr);
  auto* policy = reinterpret_cast<uint32_t*>(t.region.data() + offsetof(store::Superblock, policy));
  for (const uint32_t unknown : {store::kPolicies, UINT32_MAX}) {
    *policy = unknown;
    EXPECT_EQ(store::Region::Attach(t.region, store::RegionKind::kAnswers, &problem), nullptr);
    EXPECT_STREQ(problem, "its policy is unknown");
  }
  *policy = static_cast<uint32_t>(store::PolicyKind::kS3Fifo);
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    const size_t at = random() % 48;
    const uint8_t before = t.region[at];
    t.region[at] = static_cast<uint8_t>(random());
    const auto again = store::Region::Attach(t.region, store::RegionKind::kAnswers, &problem);
    if (again != nullptr) {
      EXPECT_GE(again->layout().shards, 1u);
    }
    t.region[at] = before;
  }
}

}  // namespace
}  // namespace shardns::test
