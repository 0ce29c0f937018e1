// What the edge says of a query, as the reply that its client gets.
#include "udp/admission.h"

#include <thread>

#include "cache_fixture.h"
#include "gate/list_compiler.h"
#include "wire/ttl_scan.h"

namespace shardns::test {
namespace {

using udp::Admission;
using wire::QueryVerdict;

class AdmissionTest : public ::testing::Test {
 protected:
  void Use(gate::EdgeRules rules) { edge_ = std::make_unique<gate::Edge>(std::move(rules)); }
  void UseList(const std::string& text, gate::BlockedSays says = {}) {
    gate::ListCompiler compiler(1, {});
    compiler.Begin({.format = gate::ListFormat::kZone, .list = 0, .tiers = {0, 0, 0, 0}});
    const std::string zone = "@ SOA a. b. 1 2 3 4 5\n" + text;
    compiler.Feed({reinterpret_cast<const uint8_t*>(zone.data()), zone.size()});
    EXPECT_EQ(compiler.End().broken, 0u);
    gate::EdgeRules rules;
    rules.lists = std::move(compiler).Build();
    rules.list_sets = {1};
    rules.blocked = std::move(says);
    Use(std::move(rules));
  }
  Admission::Said Ask(const Buffer& message) {
    message_ = message;
    parsed_ = wire::ParseQuery(message_, &query_);
    size_t length = 0;
    const Admission::Said said = admission_.Judge(*edge_, client_, parsed_, &query_, &admitted_, t_.reply, &length);
    reply_.assign(t_.reply.begin(), t_.reply.begin() + static_cast<long>(length));
    return said;
  }
  uint16_t Rcode() const { return wire::Flags(reply_.data()) & wire::flag::kRcode; }
  wire::Record Record(size_t place) const {
    wire::RecordWalk walk(reply_, query_.question_end);
    wire::Record record;
    for (size_t i = 0; i <= place; ++i) EXPECT_TRUE(walk.Next(&record));
    return record;
  }

  TestCache t_;
  gate::Gate gate_{ExpandSeed(1)};
  Admission admission_{&gate_, &t_.responder};
  const std::vector<uint8_t> address_ = {192, 0, 2, 1};
  udp::Client client_ = {.address = address_, .now_us = 1'000'000, .wall_s = 1000};
  udp::Admitted admitted_ = {.client = {.allowed = true, .tag = 0}, .verdict = {}, .cookie = {}};
  std::unique_ptr<gate::Edge> edge_;
  const std::shared_ptr<gate::RateTable> rates_ = std::make_shared<gate::RateTable>(64, ExpandSeed(1));
  Buffer message_, reply_;
  wire::Query query_;
  QueryVerdict parsed_;
};

TEST_F(AdmissionTest, BlockedNamesAreDeniedWithASoaThatTheyAreRememberedBy) {
  UseList("a.test CNAME .\nb.test CNAME *.\n", {.ttl_seconds = 17});
  ASSERT_EQ(Ask(Query("A.test")), Admission::Said::kReply);
  EXPECT_EQ(Rcode(), wire::rcode::kNxDomain);
  EXPECT_EQ(wire::NsCount(reply_.data()), 1);
  EXPECT_EQ(Record(0).type, wire::type::kSoa);
  EXPECT_EQ(Record(0).ttl, 17u);
  EXPECT_EQ(Record(0).end(), reply_.size());
  EXPECT_EQ(Load32(&reply_[reply_.size() - 4]), 17u) << "MINIMUM";
  ASSERT_EQ(Ask(Query("b.test", 28)), Admission::Said::kReply);
  EXPECT_EQ(Rcode(), wire::rcode::kNoError);
  EXPECT_EQ(wire::AnCount(reply_.data()), 0);
  EXPECT_EQ(Ask(Query("c.test")), Admission::Said::kGoOn);
}

TEST_F(AdmissionTest, RecordsOfAListAnswerTheirTypesAndDenyTheOthers) {
  const std::vector<uint8_t> records = {0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1, 0, 16, 255, 255, 255, 255, 0, 2, 1, 'x'};
  UseList("a.test 9 A 10.0.0.1\n", {.ttl_seconds = 5, .records = records, .record_ends = {22}});
  ASSERT_EQ(Ask(Query("a.test")), Admission::Said::kReply);
  ASSERT_EQ(wire::AnCount(reply_.data()), 1);
  EXPECT_EQ(Record(0).ttl, 9u);
  EXPECT_EQ(Load32(&reply_[Record(0).rdata()]), 0x0A000001u);
  ASSERT_EQ(Ask(Query("a.test", 16)), Admission::Said::kReply);
  EXPECT_EQ(Record(0).ttl, 5u);
  ASSERT_EQ(Ask(Query("a.test", 15)), Admission::Said::kReply);
  EXPECT_EQ(Record(0).type, wire::type::kSoa);
  ASSERT_EQ(Ask(Query("a.test", 255)), Admission::Said::kReply);
  EXPECT_EQ(wire::AnCount(reply_.data()), 2);
}

TEST_F(AdmissionTest, AnExtendedErrorNamesTheListAndTheLineWhereThatIsAllowedAndFits) {
  UseList("a.test CNAME .\n", {.errors = {wire::ede::kFiltered}, .names = {"ads"}});
  ASSERT_EQ(Ask(EdnsQuery("a.test")), Admission::Said::kReply);
  const std::string_view text(reinterpret_cast<const char*>(reply_.data()), reply_.size());
  EXPECT_TRUE(text.ends_with("list ads, line 2"));
  EXPECT_EQ(Load16(&reply_[reply_.size() - 18]), wire::ede::kFiltered);
  ASSERT_EQ(Ask(Query("a.test")), Admission::Said::kReply);
  EXPECT_EQ(wire::ArCount(reply_.data()), 0) << "no OPT for who sends none";
}

TEST_F(AdmissionTest, RecordsThatDoNotFitAreTruncatedWhole) {
  std::vector<uint8_t> records;
  for (int i = 0; i < 40; ++i) {
    records.insert(records.end(), {0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, static_cast<uint8_t>(i)});
  }
  const auto end = static_cast<uint32_t>(records.size());
  UseList("a.test 9 A 10.0.0.1\n", {.records = records, .record_ends = {end}});
  ASSERT_EQ(Ask(Query("a.test")), Admission::Said::kReply);
  EXPECT_NE(wire::Flags(reply_.data()) & wire::flag::kTc, 0);
  EXPECT_EQ(wire::AnCount(reply_.data()), 0);
  client_.udp = false;
  ASSERT_EQ(Ask(Query("a.test")), Admission::Said::kReply);
  EXPECT_EQ(wire::AnCount(reply_.data()), 40);
}

TEST_F(AdmissionTest, CutRecordsAreNone) {
  const std::vector<uint8_t> records = {0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1};
  EXPECT_TRUE(wire::AreBlockedRecords(records));
  for (size_t cut = 1; cut < records.size(); ++cut) EXPECT_FALSE(wire::AreBlockedRecords(Bytes(records).first(cut)));
}

TEST_F(AdmissionTest, TheFirstCookieCountsAndEveryReplyCarriesTheAnswerToIt) {
  const SipKey secret = {.octets = {7}};
  gate::EdgeRules rules;
  rules.cookies.emplace(std::span(&secret, 1));
  Use(std::move(rules));
  Buffer options = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 10, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
  const Buffer message = MessageBuilder(1, 0x0100).Question("a.test", 1).Opt(1232, 0, options).bytes();
  ASSERT_EQ(Ask(message), Admission::Said::kGoOn);
  EXPECT_EQ(admitted_.verdict.cookie, gate::CookieState::kClientOnly);
  const size_t length = t_.responder.Refuse(query_, wire::rcode::kServFail, wire::kNoExtendedError, true, t_.reply);
  ASSERT_EQ(length, query_.question_end + wire::kBareOptSize + 4 + wire::kReplyCookieSize);
  EXPECT_EQ(Load16(&t_.reply[length - 28]), wire::kOptionCookie);
  EXPECT_EQ(std::memcmp(&t_.reply[length - 24], &options[4], 8), 0);
}

TEST_F(AdmissionTest, RulesAreReplacedAndCountsReadWhileOthersJudge) {
  const SipKey secret = {.octets = {7}};
  const auto edge = [&](bool cookies) {
    gate::EdgeRules rules;
    if (cookies) rules.cookies.emplace(std::span(&secret, 1));
    rules.classes = {{.limits = {{.per_second_thousandths = 1000, .burst = 1}}, .action = gate::RateAction::kRefuse}};
    rules.proven = {0};
    rules.rates = rates_;
    return std::make_shared<const gate::Edge>(std::move(rules));
  };
  gate_.ReplaceEdge(edge(true));
  std::atomic<bool> ends = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      TestCache t;
      Admission admission(&gate_, &t.responder);
      const Buffer message = EdnsQuery("a.test");
      while (!ends.load(std::memory_order_relaxed)) {
        const auto rules = admission.rules().Take();
        wire::Query query;
        udp::Admitted admitted = {.client = rules->Judge(address_, 0), .verdict = {}, .cookie = {}};
        const QueryVerdict parsed = wire::ParseQuery(message, &query);
        size_t length = 0;
        admission.Judge(*rules->edge(), client_, parsed, &query, &admitted, t.reply, &length);
      }
    });
  }
  uint64_t judged = 0;
  for (int round = 0; round < 200 || judged < 100; ++round) {
    gate_.ReplaceEdge(edge(round % 2 != 0));
    gate::EdgeCounts sum;
    gate_.ReadEdgeCounts(&sum);
    const uint64_t now = sum.actions[0].Get() + sum.actions[2].Get();
    EXPECT_GE(now, judged);
    judged = now;
  }
  ends = true;
  for (std::thread& one : threads) one.join();
  // Those of threads that have ended stay counted.
  const auto later = gate_.NewEdgeCounts();
  gate::EdgeCounts sum;
  gate_.ReadEdgeCounts(&sum);
  EXPECT_GE(sum.actions[0].Get() + sum.actions[2].Get(), judged);
}

TEST_F(AdmissionTest, OverridesDecideBeforeTheLists) {
  const auto lists = [](const std::string& text) {
    gate::ListCompiler compiler(1, {});
    compiler.Begin({.format = gate::ListFormat::kAdblock, .list = 0, .tiers = {0, 1, 2, 3}});
    compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    compiler.End();
    return std::shared_ptr<const gate::Lists>(std::move(compiler).Build());
  };
  gate::EdgeRules rules;
  rules.lists = lists("||a.test^\n");
  rules.overrides = lists("@@||a.test^\n||b.test^\n");
  rules.list_sets = {1};
  Use(std::move(rules));
  EXPECT_EQ(Ask(Query("a.test")), Admission::Said::kGoOn);
  EXPECT_EQ(Ask(Query("b.test")), Admission::Said::kReply);
  gate::EdgeCounts sum;
  gate_.ReadEdgeCounts(&sum);
  EXPECT_EQ(sum.by_override.Get(), 2u);
  EXPECT_EQ(sum.by_list[0].Get(), 0u);
}

TEST_F(AdmissionTest, WhoWaitedWhileANameWasBlockedByHandIsToldSoBeforeWhatListsSayOfTheAnswer) {
  const auto lists = [](gate::ListFormat format, const std::string& text) {
    gate::ListCompiler compiler(1, {});
    compiler.Begin({.format = format, .list = 0, .tiers = {0, 0, 0, 0}});
    compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    compiler.End();
    return std::shared_ptr<const gate::Lists>(std::move(compiler).Build());
  };
  gate::EdgeRules rules;
  rules.lists = lists(gate::ListFormat::kZone, "@ SOA a. b. 1 2 3 4 5\n24.0.2.0.192.rpz-ip CNAME *.\n");
  rules.list_sets = {1};
  rules.blocked = {.errors = {wire::ede::kCensored}, .names = {"zone"}};
  const gate::EdgeRules before = rules;
  rules.overrides = lists(gate::ListFormat::kDomains, "b.test\n");
  Use(before);
  ASSERT_EQ(Ask(EdnsQuery("b.test")), Admission::Said::kGoOn);
  Use(rules);
  admitted_ = {.client = admitted_.client, .verdict = {}, .cookie = {}};
  admission_.Renew(*edge_, client_, 0, &query_, &admitted_);
  const Buffer answer =
      MessageBuilder(1, 0x8180).Question("b.test", 1).Answer("b.test", 1, 300, {192, 0, 2, 1}).bytes();
  std::copy(answer.begin(), answer.end(), t_.reply.begin());
  const size_t length = admission_.Reply(*edge_, client_, &admitted_, query_, t_.reply, answer.size());
  reply_.assign(t_.reply.begin(), t_.reply.begin() + static_cast<long>(length));
  EXPECT_EQ(Rcode(), wire::rcode::kNxDomain);
  EXPECT_EQ(Load16(&reply_[reply_.size() - 2]), wire::ede::kBlocked) << "and nothing of a list";
  gate::EdgeCounts sum;
  gate_.ReadEdgeCounts(&sum);
  EXPECT_EQ(sum.by_override.Get(), 1u);
  EXPECT_EQ(sum.by_list[0].Get(), 0u);
}

}  // namespace
}  // namespace shardns::test
