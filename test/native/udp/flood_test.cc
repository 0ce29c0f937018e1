// A flood from made-up addresses beside clients with and without cookies, on a clock that the test moves: who is
// answered, what the flood gets out of it, and what memory it takes. `npm run bench -- edge-flood` is the same over
// real sockets.
#include <random>

#include "cache_fixture.h"
#include "udp/admission.h"

namespace shardns::test {
namespace {

using udp::Admission;

class FloodTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kFloodPerSecond = 400'000;
  static constexpr int kClients = 50, kClientPerSecond = 100;

  struct Sum {
    uint64_t asked = 0, answered = 0, truncated = 0, octets_in = 0, octets_out = 0;
    double answered_share() const { return static_cast<double>(answered) / static_cast<double>(asked); }
    double amplification() const { return static_cast<double>(octets_out) / static_cast<double>(octets_in); }
  };

  void SetUp() override {
    const SipKey secret = {.octets = {7}};
    gate::EdgeRules rules;
    rules.cookies.emplace(std::span(&secret, 1));
    // The defaults of `rateLimit`: 200 a second of a /24, two seconds' worth at once; ten times as much for the proven.
    const gate::RateLimit limit = {.v4_bits = 24, .v6_bits = 56, .per_second_thousandths = 200'000, .burst = 400};
    gate::RateLimit proven = limit;
    proven.per_second_thousandths *= 10;
    proven.burst *= 10;
    rules.classes = {{.limits = {limit}}, {.limits = {proven}, .action = gate::RateAction::kRefuse}};
    rules.proven = {1, 1};
    rules.rates = rates_;
    edge_ = std::make_unique<gate::Edge>(std::move(rules));
    ASSERT_EQ(t_.Insert(AResponse("www.test", 3600, {1, 2, 3, 4})), Status::kOk);
  }

  // Who asks for what is in the cache, at the time that it is.
  void Ask(uint32_t address, const Buffer& message, Sum* sum, Buffer* cookie = nullptr) {
    uint8_t octets[4];
    Store32(octets, address);
    const udp::Client client = {.address = octets, .now_us = now_us_, .wall_s = 1000};
    udp::Admitted admitted = {.client = {.allowed = true, .tag = 0}, .verdict = {}, .cookie = {}};
    wire::Query query;
    const wire::QueryVerdict parsed = wire::ParseQuery(message, &query);
    size_t length = 0;
    ++sum->asked;
    sum->octets_in += message.size();
    const Admission::Said said = admission_.Judge(*edge_, client, parsed, &query, &admitted, t_.reply, &length);
    if (said == Admission::Said::kGoOn) {
      const udp::Response response =
          t_.responder.Respond(message, {.now = t_.Now(), .parsed = &parsed}, &query, t_.reply);
      length = admission_.ReplyCounted(*edge_, client, &admitted, query, t_.reply, response.length);
      if (length != 0 && wire::AnCount(t_.reply.data()) != 0) ++sum->answered;
    }
    sum->octets_out += length;
    if (length != 0 && (wire::Flags(t_.reply.data()) & wire::flag::kTc) != 0) ++sum->truncated;
    if (cookie != nullptr && length != 0) cookie->assign(admitted.cookie, admitted.cookie + wire::kReplyCookieSize);
  }

  // For so many seconds, the flood from what `address()` says, and clients of 192.0.2.0/24 and up at their pace.
  template <typename Address>
  void Run(int seconds, Address address) {
    const Buffer flood = Query("www.test"), plain = EdnsQuery("www.test");
    const uint64_t total = kFloodPerSecond * static_cast<uint64_t>(seconds);
    const uint64_t every = kFloodPerSecond / (kClients * kClientPerSecond);
    std::vector<Buffer> cookies(kClients);
    for (uint64_t i = 0; i < total; ++i) {
      now_us_ = 1'000'000 + i * 1'000'000 / kFloodPerSecond;
      Ask(address(), flood, &flood_);
      if (i % every != 0) continue;
      const auto client = static_cast<uint32_t>(i / every % kClients);
      const uint32_t at = 0xC0000200 + client * 256 + 7;
      if (client % 2 == 0) {
        Ask(at, plain, &without_cookies_);
        continue;
      }
      Buffer& cookie = cookies[client];
      Buffer option = {0, 10, 0, static_cast<uint8_t>(cookie.empty() ? 8 : cookie.size())};
      if (cookie.empty()) cookie.assign(8, static_cast<uint8_t>(client));
      option.insert(option.end(), cookie.begin(), cookie.end());
      Ask(at, MessageBuilder(1, 0x0100).Question("www.test", 1).Opt(1232, 0, option).bytes(), &with_cookies_, &cookie);
    }
  }

  TestCache t_;
  gate::Gate gate_{ExpandSeed(1)};
  Admission admission_{&gate_, &t_.responder};
  const std::shared_ptr<gate::RateTable> rates_ = std::make_shared<gate::RateTable>(524'288, ExpandSeed(1));
  std::unique_ptr<gate::Edge> edge_;
  uint64_t now_us_ = 0;
  std::mt19937 random_{7};
  Sum flood_, with_cookies_, without_cookies_;
};

TEST_F(FloodTest, ClientsAreAnsweredBesideAFloodFromAllNetworksInTheSameMemory) {
  const size_t memory = edge_->memory_bytes();
  Run(2, [&] { return static_cast<uint32_t>(random_()); });
  EXPECT_GE(with_cookies_.answered_share(), 0.99);
  EXPECT_GE(without_cookies_.answered_share(), 0.99);
  EXPECT_EQ(edge_->memory_bytes(), memory);
  EXPECT_LT(memory, size_t{5} << 20);
}

TEST_F(FloodTest, AFloodInTheNameOfOneNetworkGetsLessOutThanItPutsIn) {
  Run(2, [&] { return 0xC6336400 | (static_cast<uint32_t>(random_()) & 255); });
  EXPECT_LE(flood_.amplification(), 1.0);
  EXPECT_LE(flood_.answered, 1000u);
  EXPECT_NEAR(static_cast<double>(flood_.truncated), static_cast<double>(flood_.asked) / 2, flood_.asked / 100.0)
      << "so that a real client there comes back over TCP";
  EXPECT_GE(with_cookies_.answered_share(), 0.99);
  EXPECT_GE(without_cookies_.answered_share(), 0.99);
}

TEST_F(FloodTest, AClientWithACookieIsAnsweredThoughItsOwnNetworkIsMadeUpByTheFlood) {
  // That of the clients with odd numbers and of those with even ones.
  Run(2, [&] { return 0xC0000200 + (static_cast<uint32_t>(random_()) % (kClients * 256)); });
  EXPECT_LE(flood_.amplification(), 1.0);
  EXPECT_GE(with_cookies_.answered_share(), 0.99);
}

}  // namespace
}  // namespace shardns::test
