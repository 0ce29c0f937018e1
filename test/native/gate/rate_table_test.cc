// Rate limits on a clock of our own: what each client may ask, and what a flood from elsewhere may not change.
#include "gate/rate_table.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace shardns::test {
namespace {

using gate::ClientAddress;
using gate::RateAction;
using gate::RateClass;
using gate::RateClasses;
using gate::RateKind;
using gate::RateLimit;
using gate::RateTable;
using gate::RateVerdict;

ClientAddress V4(uint32_t address) {
  uint8_t octets[4];
  Store32(octets, address);
  return ClientAddress::Of(Bytes(octets, 4));
}
ClientAddress V6(uint64_t network, uint64_t host) {
  ClientAddress address;
  for (int i = 0; i < 8; ++i) {
    address.octets[i] = static_cast<uint8_t>(network >> (56 - 8 * i));
    address.octets[8 + i] = static_cast<uint8_t>(host >> (56 - 8 * i));
  }
  return address;
}
RateLimit PerSecond(uint32_t rate, uint32_t burst, uint8_t v4_bits = 32, uint8_t v6_bits = 64,
                    RateKind kind = RateKind::kQuery) {
  return {.kind = kind, .v4_bits = v4_bits, .v6_bits = v6_bits, .per_second_thousandths = rate * 1000, .burst = burst};
}

constexpr uint64_t kSecond = 1'000'000;

class Rates : public ::testing::Test {
 protected:
  void Use(const std::vector<RateClass>& classes, uint32_t counters = 4096) {
    classes_ = std::make_unique<RateClasses>(classes);
    table_ = std::make_unique<RateTable>(counters, ExpandSeed(3));
  }
  gate::RateResult Ask(const ClientAddress& client, uint32_t rate_class = 0, RateKind kind = RateKind::kQuery) {
    return table_->Judge(*classes_,
                         {.client = client, .rate_class = rate_class, .kind = kind, .now_us = now_, .turn = &turn_});
  }
  int Allowed(const ClientAddress& client, int queries) {
    int allowed = 0;
    for (int i = 0; i < queries; ++i) allowed += Ask(client).verdict == RateVerdict::kAllow;
    return allowed;
  }
  std::unique_ptr<RateClasses> classes_;
  std::unique_ptr<RateTable> table_;
  uint64_t now_ = 5 * kSecond;
  uint32_t turn_ = 0;
};

TEST_F(Rates, ABurstAtOnceThenTheRate) {
  Use({{.limits = {PerSecond(10, 5)}, .action = RateAction::kDrop}});
  EXPECT_EQ(Allowed(V4(1), 20), 5);
  now_ += kSecond;
  EXPECT_EQ(Allowed(V4(1), 20), 5) << "not more than the burst, however long it was silent";
  int allowed = 0;
  for (int ms = 0; ms < 10'000; ++ms, now_ += 1000) allowed += Allowed(V4(1), 1);
  EXPECT_NEAR(allowed, 100, 1);
  EXPECT_EQ(Allowed(V4(2), 20), 5) << "others have their own";
}

TEST_F(Rates, InstantAndLongWindowsHoldTogether) {
  // Twenty at once, and no more than sixty a minute.
  Use({{.limits = {PerSecond(20, 20), PerSecond(1, 60)}, .action = RateAction::kDrop}});
  int allowed = 0;
  for (int second = 0; second < 10; ++second, now_ += kSecond) allowed += Allowed(V4(1), 50);
  EXPECT_NEAR(allowed, 69, 2);
}

TEST_F(Rates, ARefusedQueryUsesUpNothingOfItsNetwork) {
  Use({{.limits = {PerSecond(1, 10), PerSecond(1, 30, 24, 48)}, .action = RateAction::kDrop}});
  const uint32_t network = 0xC0000200;
  EXPECT_EQ(Allowed(V4(network | 1), 1000), 10);
  EXPECT_EQ(Allowed(V4(network | 2), 10), 10) << "what one was refused is left for the others";
  EXPECT_EQ(Allowed(V4(network | 3), 100), 10);
  EXPECT_EQ(Allowed(V4(network | 4), 100), 0) << "now the network has had what it may";
  EXPECT_EQ(Allowed(V4(network + 256), 100), 10);
}

TEST_F(Rates, EachFamilyHasPrefixesOfItsOwn) {
  Use({{.limits = {PerSecond(1, 4, 24, 56)}, .action = RateAction::kDrop}});
  EXPECT_EQ(Allowed(V6(0x20010db8'00000000, 1), 10), 4);
  EXPECT_EQ(Allowed(V6(0x20010db8'000000FF, 2), 10), 0) << "the same /56";
  EXPECT_EQ(Allowed(V6(0x20010db8'00000100, 1), 10), 4);
  EXPECT_EQ(Allowed(V4(0x20010db8), 10), 4);
  EXPECT_EQ(Allowed(V4(0x20010dff), 10), 0);
  Use({{.limits = {PerSecond(1, 4, 0, 0)}, .action = RateAction::kDrop}});
  EXPECT_EQ(Allowed(V4(1), 10), 4);
  EXPECT_EQ(Allowed(V4(0xFFFFFFFF), 10), 0) << "all of IPv4 is one";
}

TEST_F(Rates, CountersOfWindowsThatDifferAreNeverOne) {
  // Numbers of limits differ in the bits in which addresses do.
  Use({{.limits = {PerSecond(1, 10), PerSecond(1, 100, 24, 48), PerSecond(1, 1000, 16, 40)},
        .action = RateAction::kDrop}});
  for (uint32_t host = 0; host < 8; ++host) EXPECT_EQ(Allowed(V4(0x0A000000 + host), 10), 10) << host;
}

TEST_F(Rates, ClassesAndKindsAreCountedApartAndAnEmptyClassIsExempt) {
  Use({{.limits = {PerSecond(1, 2), PerSecond(1, 1, 32, 64, RateKind::kNxDomain)}, .action = RateAction::kDrop},
       {.limits = {PerSecond(1, 3)}, .action = RateAction::kDrop},
       {}});
  EXPECT_EQ(Allowed(V4(1), 5), 2);
  EXPECT_EQ(Ask(V4(1), 0, RateKind::kNxDomain).verdict, RateVerdict::kAllow);
  EXPECT_EQ(Ask(V4(1), 0, RateKind::kNxDomain).verdict, RateVerdict::kDrop);
  EXPECT_EQ(Ask(V4(1), 0, RateKind::kMiss).verdict, RateVerdict::kAllow) << "misses have no limit here";
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Ask(V4(1), 1).over);
  EXPECT_TRUE(Ask(V4(1), 1).over);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Ask(V4(1), 2).over);
}

TEST_F(Rates, OverTheLimitTheClassSaysWhatIsDone) {
  const auto answers = [&](RateClass rate_class) {
    rate_class.limits = {PerSecond(1, 1)};
    Use({rate_class});
    turn_ = 0;
    std::string text;
    for (int i = 0; i < 7; ++i) text += "adtr"[static_cast<int>(Ask(V4(1)).verdict)];
    return text;
  };
  EXPECT_EQ(answers({.action = RateAction::kDrop}), "adddddd");
  EXPECT_EQ(answers({.action = RateAction::kTruncate}), "atttttt");
  EXPECT_EQ(answers({.action = RateAction::kRefuse}), "arrrrrr");
  EXPECT_EQ(answers({.action = RateAction::kSlip, .slip = 2}), "atdtdtd");
  EXPECT_EQ(answers({.action = RateAction::kSlip, .slip = 3}), "atddtdd");
  EXPECT_EQ(answers({.action = RateAction::kDrop, .dry_run = true}), "aaaaaaa");
  EXPECT_TRUE(Ask(V4(1)).over) << "a dry run tells what would have been";
}

TEST_F(Rates, AClockThatStepsBackLimitsNobodyForLong) {
  Use({{.limits = {PerSecond(10, 5)}, .action = RateAction::kDrop}});
  now_ = 100'000 * kSecond;
  EXPECT_EQ(Allowed(V4(1), 20), 5);
  now_ -= 90'000 * kSecond;
  EXPECT_EQ(Allowed(V4(1), 20), 5) << "a time further ahead than any window is none";
  now_ += 95'000 * kSecond;
  EXPECT_EQ(Allowed(V4(1), 20), 5);
  now_ = 0;
  EXPECT_EQ(Allowed(V4(2), 20), 5);
}

TEST_F(Rates, LimitsOutsideTheirBoundsAreNone) {
  EXPECT_TRUE(gate::IsValid(PerSecond(1'000'000, 1000)));
  EXPECT_TRUE(gate::IsValid({.per_second_thousandths = 1, .burst = 10}));
  EXPECT_FALSE(gate::IsValid({.per_second_thousandths = 1, .burst = 11})) << "a window of more than three hours";
  EXPECT_FALSE(gate::IsValid({.per_second_thousandths = 0, .burst = 1}));
  EXPECT_FALSE(gate::IsValid({.per_second_thousandths = 1, .burst = 0}));
  EXPECT_FALSE(gate::IsValid({.per_second_thousandths = 1'000'000'001, .burst = 1}));
  EXPECT_FALSE(gate::IsValid({.v4_bits = 33, .per_second_thousandths = 1, .burst = 1}));
  EXPECT_FALSE(gate::IsValid({.v6_bits = 129, .per_second_thousandths = 1, .burst = 1}));
}

TEST_F(Rates, AgreesWithAModelOfEveryCounterWhereThereIsRoomForAll) {
  const std::vector<RateLimit> limits = {PerSecond(7, 4), PerSecond(2, 30), PerSecond(13, 16, 24, 48)};
  Use({{.limits = limits, .action = RateAction::kDrop}}, 1 << 16);
  std::mt19937 random(4);
  struct Bucket {
    double tokens;
    uint64_t at;
  };
  std::vector<Bucket> model(3 * 64, Bucket{-1, 0});
  int differ = 0, over = 0;
  constexpr int kQueries = 50'000;
  for (int i = 0; i < kQueries; ++i) {
    now_ += random() % 8'000;
    const uint32_t host = random() % 16 < 8 ? 0 : random() % 64;
    const uint32_t keys[] = {host, 64 + host, 128 + host / 16};
    bool allowed = true;
    for (size_t k = 0; k < 3; ++k) {
      Bucket& bucket = model[keys[k]];
      const RateLimit& limit = limits[k];
      if (bucket.tokens < 0) bucket = {static_cast<double>(limit.burst), now_};
      bucket.tokens = std::min<double>(limit.burst, bucket.tokens + static_cast<double>(now_ - bucket.at) / 1e6 *
                                                                        limit.per_second_thousandths / 1000);
      bucket.at = now_;
      allowed &= bucket.tokens >= 1;
    }
    if (allowed) {
      for (const uint32_t key : keys) model[key].tokens -= 1;
    }
    const bool judged = Ask(V4(0x0A000000 + host / 16 * 256 + host % 16)).verdict == RateVerdict::kAllow;
    differ += judged != allowed;
    over += !judged;
  }
  EXPECT_LT(differ, kQueries / 200) << "what roundings of an eighth of a microsecond lead to";
  EXPECT_GT(over, kQueries / 10);
}

// A flood from 2^24 sources, as of whoever can write any sender's address, each of them below its limit.
TEST_F(Rates, AFloodOfSpoofedSourcesFreesNoHeavySourceAndLimitsNoneThatIsNot) {
  Use({{.limits = {PerSecond(50, 50), PerSecond(1600, 1600, 24, 48)}, .action = RateAction::kDrop}}, 1 << 16);
  const size_t memory = table_->memory_bytes();
  std::mt19937 random(6);
  int heavy = 0, honest = 0, seconds = 4;
  for (int ms = 0; ms < seconds * 1000; ++ms, now_ += 1000) {
    for (int i = 0; i < 250; ++i) Ask(V4(random() & 0xFFFFFF00));     // 250,000 a second
    for (int i = 0; i < 2; ++i) heavy += Allowed(V4(0xC0000201), 1);  // 2,000 a second
    if (ms % 25 == 0) honest += Allowed(V4(0xC0000301), 1);           // 40 a second
  }
  EXPECT_EQ(honest, seconds * 40) << "all of its queries";
  EXPECT_LE(heavy, seconds * 50 + 60) << "still limited";
  EXPECT_EQ(table_->memory_bytes(), memory);
}

TEST_F(Rates, ThreadsJudgeWithoutWaitingForOneAnother) {
  Use({{.limits = {PerSecond(1000, 1000)}, .action = RateAction::kDrop}}, 64);
  std::atomic<uint32_t> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      uint32_t turn = 0;
      for (int i = 0; i < 20'000; ++i) {
        const ClientAddress client = V4(1);
        allowed +=
            table_->Judge(*classes_, {.client = client, .rate_class = 0, .now_us = now_, .turn = &turn}).verdict ==
            RateVerdict::kAllow;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(allowed, 1000u);
  EXPECT_LE(allowed, 3000u) << "at worst each thread's own";
}

}  // namespace
}  // namespace shardns::test
