// Who may ask and under which tag, and what readers see while that is replaced. Run under the thread sanitizer too.
#include "gate/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace shardns::test {
namespace {

using gate::ClientRule;
using gate::Gate;

ClientRule V4(uint8_t a, uint8_t b, uint8_t length, bool allow, std::optional<uint32_t> tag = {}) {
  return {.prefix = {.address = {a, b}, .length = length, .v6 = false}, .allow = allow, .tag = tag};
}

TEST(ClientTable, RemembersClientsUntilTheirTimeAndNoMoreThanItsBound) {
  gate::ClientTable table(64, ExpandSeed(1));
  const auto client = [](uint32_t n) {
    uint8_t octets[4];
    Store32(octets, n);
    return gate::ClientAddress::Of(Bytes(octets, 4));
  };
  table.Set(client(1), 7, 1000);
  EXPECT_EQ(table.Find(client(1), 999), 7u);
  EXPECT_EQ(table.Find(client(1), 1000), gate::kUnknownTag);
  EXPECT_EQ(table.Find(client(2), 999), gate::kUnknownTag);
  table.Set(client(1), 8, 2000);
  EXPECT_EQ(table.Find(client(1), 1500), 8u);
  for (uint32_t n = 100; n < 1100; ++n) table.Set(client(n), n, 2000 + n);
  uint32_t known = 0;
  for (uint32_t n = 100; n < 1100; ++n) {
    const uint32_t tag = table.Find(client(n), 1500);
    if (tag == gate::kUnknownTag) continue;
    EXPECT_EQ(tag, n);
    ++known;
  }
  EXPECT_EQ(table.size(), 64u);
  EXPECT_GT(known, 48u);
  EXPECT_LE(known, 64u);
  EXPECT_EQ(table.Find(client(1099), 1500), 1099u);  // what goes is what would have expired first
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(client(1099), 1500), gate::kUnknownTag);
}

TEST(ClientTable, AnIPv4AddressIsItsMappedIPv6Address) {
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1};
  EXPECT_EQ(std::memcmp(gate::ClientAddress::Of(Bytes(mapped + 12, 4)).octets, mapped, 16), 0);
}

TEST(Gate, WithoutRulesThereIsNothingToTake) {
  Gate gate(ExpandSeed(1));
  Gate::Reader reader(gate.rules());
  EXPECT_FALSE(reader.Take());
  const ClientRule rules[] = {V4(10, 0, 8, true)};
  gate.Replace({.rules = rules, .everybody = false});
  EXPECT_TRUE(reader.Take());
  EXPECT_GT(gate.memory_bytes(), 0u);
  gate.Replace({});
  EXPECT_FALSE(reader.Take());
  EXPECT_EQ(gate.memory_bytes(), 0u);
}

TEST(Gate, AccessAndTagsAreJudgedByPrefixesOfTheirOwn) {
  Gate gate(ExpandSeed(1));
  Gate::Reader reader(gate.rules());
  // Whose longest prefixes they are is seen in one look: a view inside what is allowed, and one around it.
  const ClientRule rules[] = {V4(10, 0, 8, true), V4(10, 1, 16, false, 3), V4(0, 0, 0, false, 7),
                              V4(11, 0, 8, true, 4)};
  gate.Replace({.rules = rules, .everybody = false});
  const auto judge = [&](uint8_t a, uint8_t b) {
    const uint8_t address[] = {a, b, 0, 1};
    const gate::Judgement judgement = reader.Take()->Judge(address, 0);
    return judgement.allowed ? static_cast<int>(judgement.tag) : -1;
  };
  EXPECT_EQ(judge(10, 0), 7);
  EXPECT_EQ(judge(10, 1), 3);
  EXPECT_EQ(judge(11, 1), 4);
  EXPECT_EQ(judge(12, 1), -1);
  gate.Replace({.rules = std::span(rules).subspan(1), .everybody = true});
  EXPECT_EQ(judge(10, 1), 3);
  EXPECT_EQ(judge(12, 1), 7);
}

TEST(Gate, ClientsThatAreToldApartOneByOneAreUnknownUntilTheyAreRememberedAndAfterTheirTime) {
  Gate gate(ExpandSeed(1));
  Gate::Reader reader(gate.rules());
  const ClientRule rules[] = {V4(10, 0, 8, true)};
  const uint8_t client[] = {10, 0, 0, 1}, stranger[] = {11, 0, 0, 1};
  gate.Remember(client, 5, 60);  // for nothing
  gate.Replace({.rules = rules, .everybody = false, .clients = 16});
  const auto tag = [&] { return reader.Take()->Judge(client, gate.Now(MonotonicMs())).tag; };
  EXPECT_EQ(tag(), gate::kUnknownTag);
  gate.Remember(client, 5, 60);
  EXPECT_EQ(tag(), 5u);
  EXPECT_EQ(gate.clients(), 1u);
  gate.Replace({.rules = rules, .everybody = false, .clients = 16});
  EXPECT_EQ(tag(), 5u) << "other rules, the same clients";
  gate.Remember(stranger, 6, 60);
  EXPECT_FALSE(reader.Take()->Judge(stranger, gate.Now(MonotonicMs())).allowed);
  gate.ShiftClock(61'000);
  EXPECT_EQ(tag(), gate::kUnknownTag);
  gate.Remember(client, 5, 60);
  gate.ForgetClients();
  EXPECT_EQ(tag(), gate::kUnknownTag);
  gate.Replace({.rules = rules, .everybody = false});
  EXPECT_EQ(tag(), 0u);
}

TEST(Gate, ReadersSeeOneSetOfRulesOrTheNextAndNeverHalfOfEither) {
  Gate gate(ExpandSeed(1));
  // Set n allows and tags every /16 of 10.0.0.0/8 with n; what is not tagged so was seen half replaced.
  const auto replace = [&](uint32_t n) {
    std::vector<ClientRule> rules;
    for (unsigned b = 0; b < 256; ++b) rules.push_back(V4(10, static_cast<uint8_t>(b), 16, true, n + b));
    gate.Replace({.rules = rules, .everybody = false, .clients = 0});
  };
  replace(0);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> judged{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      Gate::Reader reader(gate.rules());
      uint32_t last = 0;
      while (!stop) {
        const auto rules = reader.Take();
        uint8_t address[] = {10, 0, 1, 1};
        const uint32_t n = rules->Judge(address, 0).tag;
        EXPECT_GE(n, last);
        last = n;
        for (unsigned b = 1; b < 256; b += 17) {
          address[1] = static_cast<uint8_t>(b);
          const gate::Judgement judgement = rules->Judge(address, 0);
          EXPECT_TRUE(judgement.allowed);
          EXPECT_EQ(judgement.tag, n + b);
        }
        judged.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (uint32_t n = 1; n <= 300 || judged < 1000; ++n) replace(std::min(n, 60'000u));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace shardns::test
