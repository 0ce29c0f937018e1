// The order of what is decided before a lookup, and what each step says to whom.
#include "gate/edge.h"

#include <gtest/gtest.h>

#include "gate/list_compiler.h"
#include "gate/list_model.h"

namespace shardns::test {
namespace {

using gate::CookieState;
using gate::Edge;
using gate::EdgeAction;
using gate::EdgeCounts;
using gate::EdgeQuery;
using gate::EdgeRules;
using gate::EdgeVerdict;
using gate::Judgement;

class EdgeTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const gate::Lists> ListsOf(const std::string& adblock, const std::string& zone) {
    gate::ListCompiler compiler(1, {});
    const auto feed = [&](const gate::ListSource& source, const std::string& text) {
      compiler.Begin(source);
      compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
      EXPECT_EQ(compiler.End().broken, 0u);
    };
    feed({.format = gate::ListFormat::kAdblock, .list = 0, .tiers = {1, 2, 3, 4}}, adblock);
    feed({.format = gate::ListFormat::kZone, .list = 1, .tiers = {0, 0, 0, 0}}, "@ SOA a. b. 1 2 3 4 5\n" + zone);
    return std::move(compiler).Build();
  }
  void Use(EdgeRules rules) { edge_ = std::make_unique<Edge>(std::move(rules)); }
  EdgeVerdict Ask(const std::string& name = "a.test") {
    const auto wire = WireName(name);
    query_.name = wire;
    query_.address = client_;
    return edge_->Judge(judgement_, query_, &counts_);
  }
  // One a second to who has proven nothing, three to others.
  static EdgeRules Limited() {
    const auto limit = [](uint32_t burst) {
      return gate::RateClass{.limits = {{.per_second_thousandths = 1000, .burst = burst}},
                             .action = gate::RateAction::kTruncate};
    };
    EdgeRules rules;
    rules.classes = {limit(1), limit(3)};
    rules.proven = {1, 1};
    rules.rates = std::make_shared<gate::RateTable>(64, ExpandSeed(1));
    rules.cookies.emplace(std::span(&secret_, 1));
    return rules;
  }
  void UseGoodCookie() {
    cookie_.resize(gate::kFullCookieSize);
    gate::ServerCookies({&secret_, 1}).Make(cookie_.data(), client_, 100, cookie_.data());
    query_.has_cookie = true;
    query_.cookie = cookie_;
    query_.wall_s = 100;
  }

  static constexpr SipKey secret_ = {.octets = {7}};
  const std::vector<uint8_t> client_ = {192, 0, 2, 1};
  std::vector<uint8_t> cookie_;
  Judgement judgement_ = {.allowed = true, .tag = 0};
  EdgeQuery query_ = {.address = {}, .name = {}, .now_us = 1'000'000};
  EdgeCounts counts_;
  std::unique_ptr<Edge> edge_;
};

TEST_F(EdgeTest, WithoutRulesAllMayAsk) {
  Use({});
  EXPECT_EQ(Ask().action, EdgeAction::kAllow);
  UseGoodCookie();
  EXPECT_EQ(Ask().cookie, CookieState::kNone) << "cookies are off";
}

TEST_F(EdgeTest, WhoHasProvenItsAddressIsInAHigherClass) {
  Use(Limited());
  const auto allowed = [&] {
    int n = 0;
    for (int i = 0; i < 6; ++i) n += Ask().action == EdgeAction::kAllow;
    return n;
  };
  EXPECT_EQ(allowed(), 1);
  EXPECT_EQ(Ask().action, EdgeAction::kTruncate);
  UseGoodCookie();
  EXPECT_EQ(allowed(), 3);
  EXPECT_EQ(counts_.over_limit.Get(), 9u);
  query_.has_cookie = false;
  query_.tcp = true;
  query_.now_us += 10'000'000;
  EXPECT_EQ(allowed(), 3);
  EXPECT_EQ(Ask().action, EdgeAction::kRefuse) << "over TCP there is nothing to truncate for";
}

TEST_F(EdgeTest, ACookieOfNoLengthIsFormErrWithinTheLimit) {
  Use(Limited());
  cookie_.resize(9);
  query_.has_cookie = true;
  query_.cookie = cookie_;
  EXPECT_EQ(Ask().action, EdgeAction::kFormErr);
  EXPECT_EQ(Ask().action, EdgeAction::kTruncate) << "errors are limited, too";
}

TEST_F(EdgeTest, WhereCookiesAreRequiredUdpWithoutAGoodOneGetsNoAnswer) {
  EdgeRules rules;
  rules.cookies.emplace(std::span(&secret_, 1));
  rules.require_cookie = true;
  Use(std::move(rules));
  EXPECT_EQ(Ask().action, EdgeAction::kTruncate);
  UseGoodCookie();
  EXPECT_EQ(Ask().action, EdgeAction::kAllow);
  query_.wall_s += 1900;
  EXPECT_EQ(Ask().cookie, CookieState::kGoodToRenew);
  query_.wall_s += 2000;
  EXPECT_EQ(Ask().action, EdgeAction::kBadCookie);
  query_.cookie = query_.cookie.first(8);
  EXPECT_EQ(Ask().action, EdgeAction::kBadCookie);
  query_.tcp = true;
  EXPECT_EQ(Ask().action, EdgeAction::kAllow);
}

TEST_F(EdgeTest, ListsOfTheClientsSetSayWhatIsBlocked) {
  EdgeRules rules;
  rules.lists =
      ListsOf("||bad.test^\n@@||good.bad.test^\n", "drop.test CNAME rpz-drop.\ntcp.test CNAME rpz-tcp-only.\n");
  rules.list_sets = {0b11, 0b10};
  Use(std::move(rules));
  EXPECT_EQ(Ask("a.test").action, EdgeAction::kAllow);
  const EdgeVerdict bad = Ask("x.BAD.test");
  EXPECT_EQ(bad.action, EdgeAction::kBlocked);
  ASSERT_TRUE(bad.match);
  EXPECT_EQ(bad.match->policy.action, gate::ListAction::kNxDomain);
  EXPECT_EQ(bad.match->line, 1u);
  const EdgeVerdict good = Ask("good.bad.test");
  EXPECT_EQ(good.action, EdgeAction::kAllow);
  EXPECT_EQ(good.match->policy.action, gate::ListAction::kPass);
  EXPECT_EQ(Ask("drop.test").action, EdgeAction::kDrop);
  EXPECT_EQ(Ask("tcp.test").action, EdgeAction::kTruncate);
  query_.tcp = true;
  EXPECT_EQ(Ask("tcp.test").action, EdgeAction::kAllow);
  EXPECT_EQ(counts_.by_list[0].Get(), 2u);
  EXPECT_EQ(counts_.by_list[1].Get(), 3u);
  judgement_.list_set = 1;
  EXPECT_EQ(Ask("x.bad.test").action, EdgeAction::kAllow);
  judgement_.list_set = 2;
  EXPECT_EQ(Ask("drop.test").action, EdgeAction::kAllow) << "a set that is not there has no lists";
}

TEST_F(EdgeTest, OutcomesHaveLimitsOfTheirOwn) {
  EdgeRules rules = Limited();
  rules.classes[0].limits = {{.kind = gate::RateKind::kNxDomain, .per_second_thousandths = 1000, .burst = 2}};
  Use(std::move(rules));
  const auto outcome = [&](gate::RateKind kind) {
    const EdgeVerdict verdict = Ask();
    EXPECT_EQ(verdict.action, EdgeAction::kAllow);
    return edge_->JudgeOutcome(judgement_, query_, verdict, kind, &counts_);
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(outcome(gate::RateKind::kMiss), EdgeAction::kAllow);
  EXPECT_EQ(outcome(gate::RateKind::kNxDomain), EdgeAction::kAllow);
  EXPECT_EQ(outcome(gate::RateKind::kNxDomain), EdgeAction::kAllow);
  EXPECT_EQ(outcome(gate::RateKind::kNxDomain), EdgeAction::kTruncate);
  EXPECT_EQ(counts_.actions[static_cast<size_t>(EdgeAction::kAllow)].Get(), 7u);
  EXPECT_EQ(counts_.actions[static_cast<size_t>(EdgeAction::kTruncate)].Get(), 1u);
}

TEST(GateClasses, RateClassAndListSetComeWithAccessInOneLook) {
  gate::Gate gate(ExpandSeed(1));
  gate::Gate::Reader reader(gate.rules());
  const gate::ClientRule rules[] = {
      {.prefix = {.address = {10}, .length = 8, .v6 = false}, .allow = true, .tag = 65'535, .rate_class = 255},
      {.prefix = {.address = {10, 1}, .length = 16, .v6 = false}, .list_set = 63},
      {.prefix = {.address = {10, 1, 1}, .length = 24, .v6 = false}, .rate_class = 7, .list_set = 0}};
  gate.Replace({.rules = rules, .everybody = false});
  const auto judge = [&](uint8_t b, uint8_t c) {
    const uint8_t address[] = {10, b, c, 1};
    return reader.Take()->Judge(address, 0);
  };
  const Judgement outer = judge(2, 0), middle = judge(1, 0), inner = judge(1, 1);
  EXPECT_TRUE(outer.allowed && middle.allowed && inner.allowed);
  EXPECT_EQ(inner.tag, 65'535u);
  EXPECT_EQ(outer.rate_class, 255);
  EXPECT_EQ(outer.list_set, 0);
  EXPECT_EQ(middle.rate_class, 255);
  EXPECT_EQ(middle.list_set, 63);
  EXPECT_EQ(inner.rate_class, 7);
  EXPECT_EQ(inner.list_set, 0);
}

}  // namespace
}  // namespace shardns::test
