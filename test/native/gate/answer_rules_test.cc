// Which rule of lists decides of an answer, and what of the answer stays.
#include "gate/answer_rules.h"

#include "cache_fixture.h"
#include "gate/list_compiler.h"

namespace shardns::test {
namespace {

using gate::ListAction;

class AnswerRulesTest : public ::testing::Test {
 protected:
  void Use(const std::vector<std::string>& zones) {
    gate::ListCompiler compiler(1, {});
    uint8_t list = 0;
    for (const std::string& text : zones) {
      const uint8_t tier = list;
      compiler.Begin({.format = gate::ListFormat::kZone, .list = list++, .tiers = {tier, tier, tier, tier}});
      const std::string zone = "@ SOA a. b. 1 2 3 4 5\n" + text;
      compiler.Feed({reinterpret_cast<const uint8_t*>(zone.data()), zone.size()});
      EXPECT_EQ(compiler.End().broken, 0u);
    }
    lists_ = std::move(compiler).Build();
  }
  void Question(const std::string& name) {
    reply_ = Query(name);
    question_end_ = reply_.size();
    count_ = 0;
  }
  void Record(const std::string& owner, uint16_t type, const std::vector<uint8_t>& data) {
    const std::vector<uint8_t> name = Wire(owner);
    reply_.insert(reply_.end(), name.begin(), name.end());
    reply_.insert(reply_.end(), {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type), 0, 1, 0, 0, 0, 60,
                                 static_cast<uint8_t>(data.size() >> 8), static_cast<uint8_t>(data.size())});
    reply_.insert(reply_.end(), data.begin(), data.end());
    Store16(&reply_[6], ++count_);
  }
  void Alias(const std::string& owner, const std::string& target) { Record(owner, wire::type::kCname, Wire(target)); }
  // "action list, records that stay"
  std::string Judge(std::optional<gate::NameMatch> question = {}, uint64_t set = UINT64_MAX) {
    const gate::AnswerRules rules = {
        .lists = lists_.get(), .set = set, .question = question, .translation = translation_};
    const auto found = gate::AnswerSearch(rules, reply_, question_end_).Find();
    if (!found) return "-";
    constexpr const char* kNames[] = {"pass", "nxdomain", "nodata", "zero", "refuse", "drop", "truncate", "data"};
    return std::string(kNames[static_cast<size_t>(found->match.policy.action)]) + " " +
           std::to_string(found->match.policy.list) + ", " + std::to_string(found->records);
  }
  void Serve(const std::string& zone, const std::vector<std::string>& names,
             const std::vector<std::vector<uint8_t>>& addresses) {
    std::vector<std::vector<uint8_t>> wired;
    for (const std::string& name : names) wired.push_back(Wire(name));
    const std::vector<Bytes> name_list(wired.begin(), wired.end());
    const std::vector<Bytes> address_list(addresses.begin(), addresses.end());
    EXPECT_TRUE(lists_->NoteServers(Wire(zone), name_list, address_list));
  }
  static std::vector<uint8_t> Wire(const std::string& name) {
    const Buffer query = Query(name);
    return {query.begin() + wire::kHeaderSize, query.end() - 4};
  }

  std::unique_ptr<const gate::Lists> lists_;
  gate::TranslationPrefix translation_;
  Buffer reply_;
  size_t question_end_ = 0;
  uint16_t count_ = 0;
};

TEST_F(AnswerRulesTest, TheEarliestNameOfAChainDecides) {
  Use({"c.test CNAME .\n24.0.2.0.192.rpz-ip CNAME *.\n", "b.test CNAME rpz-drop.\n"});
  Question("a.test");
  Alias("a.test", "B.test");
  Alias("b.test", "c.test");
  Record("c.test", wire::type::kA, {192, 0, 2, 1});
  EXPECT_EQ(Judge(), "drop 1, 1") << "a later zone, but an earlier name";
  EXPECT_EQ(Judge({}, 1), "nxdomain 0, 2") << "in a zone the name comes before addresses";
  EXPECT_EQ(
      Judge(gate::NameMatch{.policy = {.list = 1, .tier = 1, .action = ListAction::kNoData}, .line = 1, .labels = 1}),
      "nodata 1, 0")
      << "the question's own rule comes before those of what it leads to";
}

TEST_F(AnswerRulesTest, ForOneNameTheFirstZoneDecides) {
  Use({"24.0.2.0.192.rpz-ip CNAME *.\n", "a.test CNAME .\n"});
  Question("a.test");
  Record("a.test", wire::type::kA, {192, 0, 2, 1});
  const gate::NameMatch question = {
      .policy = {.list = 1, .tier = 1, .action = ListAction::kNxDomain}, .line = 2, .labels = 2};
  EXPECT_EQ(Judge(question), "nodata 0, 0");
  EXPECT_EQ(Judge(question, 2), "nxdomain 1, 0");
}

TEST_F(AnswerRulesTest, OfAddressesTheLongestPrefixThenTheSmallestDecides) {
  Use(
      {"24.0.2.0.192.rpz-ip CNAME *.\n32.9.2.0.192.rpz-ip CNAME .\n32.7.2.0.192.rpz-ip CNAME rpz-drop.\n"
       "64.zz.db8.2001.rpz-ip CNAME rpz-tcp-only.\n"});
  Question("a.test");
  Record("a.test", wire::type::kA, {192, 0, 2, 1});
  EXPECT_EQ(Judge(), "nodata 0, 0");
  Record("a.test", wire::type::kA, {192, 0, 2, 9});
  EXPECT_EQ(Judge(), "nxdomain 0, 0");
  Record("a.test", wire::type::kA, {192, 0, 2, 7});
  EXPECT_EQ(Judge(), "drop 0, 0");
  Question("a.test");
  Record("a.test", wire::type::kAaaa, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(Judge(), "truncate 0, 0");
}

TEST_F(AnswerRulesTest, HintsAreAddressesAndTargetsOfServicesAreNames) {
  Use({"32.9.2.0.192.rpz-ip CNAME .\n", "t.test CNAME *.\n"});
  Question("a.test");
  Record("a.test", wire::type::kHttps, {0, 1, 0, 0, 1, 0, 3, 2, 'h', '2', 0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 9});
  EXPECT_EQ(Judge(), "nxdomain 0, 0");
  Question("a.test");
  std::vector<uint8_t> data = {0, 0};
  for (const uint8_t octet : Wire("t.test")) data.push_back(octet);
  Record("a.test", wire::type::kSvcb, data);
  EXPECT_EQ(Judge(), "nodata 1, 0");
  // Cut off wherever.
  while (data.size() > 2) {
    data.pop_back();
    Question("a.test");
    Record("a.test", wire::type::kSvcb, data);
    EXPECT_EQ(Judge(), "-") << data.size();
  }
}

TEST_F(AnswerRulesTest, ATranslatedAddressCountsAsTheIpv4OneInItToo) {
  Use({"24.0.2.0.192.rpz-ip CNAME .\n32.7.2.0.192.rpz-ip CNAME *.\n128.8.c000.zz.ff9b.64.rpz-ip CNAME rpz-drop.\n"});
  const auto judge = [&](uint8_t last) {
    Question("a.test");
    Record("a.test", wire::type::kAaaa, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, last});
    return Judge();
  };
  EXPECT_EQ(judge(1), "-") << "nothing is translated";
  translation_ = {.octets = {0, 0x64, 0xff, 0x9b}, .bits = 96};
  EXPECT_EQ(judge(1), "nxdomain 0, 0");
  EXPECT_EQ(judge(7), "nodata 0, 0");
  // Octet 8 of a translated address is none of the IPv4 one's (RFC 6052 section 2.2).
  translation_ = {.octets = {0x20, 1, 0xd, 0xb8, 1}, .bits = 40};
  Question("a.test");
  Record("a.test", wire::type::kAaaa, {0x20, 1, 0xd, 0xb8, 1, 192, 0, 2, 0, 9, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(Judge(), "nxdomain 0, 0");
}

TEST_F(AnswerRulesTest, WhoServesAZoneHasRulesBehindThoseForNamesAndAddresses) {
  Use(
      {"ns.evil.test.rpz-nsdname CNAME .\n*.evil.test.rpz-nsdname CNAME rpz-drop.\n24.0.100.51.198.rpz-nsip CNAME *.\n"
       "32.9.2.0.192.rpz-ip CNAME rpz-tcp-only.\n",
       "c.bad.test CNAME rpz-passthru.\n"});
  Question("a.bad.test");
  Record("a.bad.test", wire::type::kA, {192, 0, 2, 1});
  EXPECT_EQ(Judge(), "-") << "nobody has said who serves it";
  Serve("bad.test", {"ns.good.test"}, {{198, 51, 100, 7}});
  EXPECT_EQ(Judge(), "nodata 0, 0");
  Serve("bad.test", {"ns.good.test", "ns.evil.test"}, {{198, 51, 100, 7}});
  EXPECT_EQ(Judge(), "nxdomain 0, 0");
  Serve("bad.test", {"ns.evil.test", "x.evil.test"}, {});
  EXPECT_EQ(Judge(), "nxdomain 0, 0") << "of triggers the last in canonical order";
  Record("a.bad.test", wire::type::kA, {192, 0, 2, 9});
  EXPECT_EQ(Judge(), "truncate 0, 0") << "addresses come before";
  Question("c.bad.test");
  const gate::NameMatch pass = {.policy = {.list = 1, .tier = 1, .action = ListAction::kPass}, .line = 2, .labels = 3};
  EXPECT_EQ(Judge(pass), "nxdomain 0, 0") << "of the first zone";
  Question("good.test");
  Alias("good.test", "www.bad.test");
  EXPECT_EQ(Judge(), "nxdomain 0, 1");
  Serve("bad.test", {"ns.good.test"}, {});
  EXPECT_EQ(Judge(), "-") << "it has moved";
}

TEST_F(AnswerRulesTest, RulesForServersAreThoseOfTheClientsLists) {
  Use({"a.ns.test.rpz-nsdname CNAME .\n", "a.ns.test.rpz-nsdname CNAME *.\n32.1.2.0.192.rpz-nsip CNAME rpz-drop.\n"});
  Serve("bad.test", {"a.ns.test"}, {{192, 0, 2, 1}});
  Question("a.bad.test");
  EXPECT_EQ(Judge(), "nxdomain 0, 0");
  EXPECT_EQ(Judge({}, 2), "nodata 1, 0");
  EXPECT_EQ(Judge({}, 4), "-");
  Serve("bad.test", {}, {{192, 0, 2, 1}});
  EXPECT_EQ(Judge({}, 3), "drop 1, 0");
  EXPECT_TRUE(lists_->MayPrecede(1, 1));
  EXPECT_FALSE(lists_->MayPrecede(1, 2));
  EXPECT_FALSE(lists_->MayPrecede(0, 3));
}

TEST_F(AnswerRulesTest, WhoAsksForAnAliasItselfIsNotLedOnByIt) {
  Use({"b.test CNAME .\n"});
  Question("a.test");
  Alias("a.test", "b.test");
  EXPECT_EQ(Judge(), "nxdomain 0, 1");
  Store16(&reply_[question_end_ - 4], wire::type::kCname);
  EXPECT_EQ(Judge(), "-");
}

TEST_F(AnswerRulesTest, OnlyTheAnswerSectionIsLookedAt) {
  Use({"8.0.0.0.10.rpz-ip CNAME .\n"});
  Question("a.test");
  Record("a.test", wire::type::kA, {10, 0, 0, 1});
  Store16(&reply_[6], 0);
  Store16(&reply_[10], 1);
  EXPECT_EQ(Judge(), "-");
}

}  // namespace
}  // namespace shardns::test
