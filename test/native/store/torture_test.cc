// Readers against writers: no torn answer, no answer to another question. SHARDNS_TORTURE_READS sets the length.
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "cache_fixture.h"
#include "marked.h"

namespace shardns::test {
namespace {

class Torture : public testing::TestWithParam<store::PolicyKind> {};

TEST_P(Torture, ReadsAreNeverTornNorOfAnotherKey) {
  const char* wanted = std::getenv("SHARDNS_TORTURE_READS");
  // The default has them all; the others, which differ in what writers do, a share.
  const uint64_t reads = (wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 4'000'000) /
                         (GetParam() == store::PolicyKind::kS3Fifo ? 1 : 20);
  TestCache t({.bytes = 1 << 20, .shards = 1, .policy = GetParam(), .average_entry_bytes = 100, .seed = 77});
  // More names than fit, so that logs wrap and slots are reused all the time.
  constexpr int kNames = 12'000;
  std::vector<std::string> names;
  std::vector<Buffer> queries;
  for (int i = 0; i < kNames; ++i) {
    names.push_back("name-" + std::to_string(i) + ".torture.example");
    queries.push_back(Query(names.back()));
  }
  constexpr uint64_t kLeastWrites = 1000;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> writes{0};
  std::thread writer([&] {
    std::mt19937 random(1);
    auto scratch = std::make_unique<answers::PrepareScratch>();
    answers::EntryImage image;
    while (!stop.load(std::memory_order_relaxed)) {
      const std::string& name = names[random() % (random() % 4 == 0 ? kNames : 200)];
      const Buffer message = Marked(name, static_cast<uint8_t>(random() % 251));
      ASSERT_EQ(t.cache->Insert({.prepare = {.response = message}, .variant = {}, .now = 16000}, scratch.get(), &image),
                Status::kOk);
      writes.fetch_add(1, std::memory_order_relaxed);
    }
  });
  const auto read = [&](uint32_t seed, uint64_t count) {
    udp::Responder responder(t.cache.get(), t.cache->NewReader());
    std::mt19937 random(seed);
    Buffer out(2048);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const size_t n = random() % (random() % 4 == 0 ? kNames : 200);
      wire::Query parsed;
      const udp::Response response = responder.Respond(queries[n], {.now = 16032}, &parsed, out);
      if (response.verdict != udp::Verdict::kReply) continue;
      ++hits;
      ASSERT_TRUE(IsMarked(names[n], queries[n], std::span(out).first(response.length), 2));
    }
    EXPECT_GT(hits, count / 20);
  };
  // On a busy machine they may be done before it has begun.
  while (writes < kLeastWrites) std::this_thread::yield();
  std::thread second([&] { read(2, reads / 2); });
  read(3, reads - reads / 2);
  second.join();
  stop = true;
  writer.join();
  EXPECT_GE(writes.load(), kLeastWrites);
  EXPECT_TRUE(t.cache->CheckInvariants());
  const store::Stats stats = t.cache->TotalStats();
  std::printf("%llu reads, %llu writes, %llu retries\n", static_cast<unsigned long long>(reads),
              static_cast<unsigned long long>(writes.load()), static_cast<unsigned long long>(stats.retries));
}

INSTANTIATE_TEST_SUITE_P(Policies, Torture, testing::ValuesIn(kAllPolicies), PolicyName);

}  // namespace
}  // namespace shardns::test
