// Lists of names against a search through all rules. Their replacement under readers runs under the thread sanitizer.
#include "gate/name_list.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/published.h"
#include "gate/list_model.h"

namespace shardns::test {
namespace {

using gate::ListAction;
using gate::ListPolicy;
using gate::NameKind;
using gate::NameList;
using gate::NameListBuilder;

constexpr uint64_t kAll = UINT64_MAX;
// As lists in the AdGuard manner are compiled.
constexpr uint8_t kImportantAllow = 0, kImportantBlock = 1, kAllow = 2, kBlock = 3;

ListPolicy Block(uint8_t list, uint8_t tier = kBlock) {
  return {.list = list, .tier = tier, .action = ListAction::kNxDomain};
}
ListPolicy Pass(uint8_t list, uint8_t tier = kAllow) {
  return {.list = list, .tier = tier, .action = ListAction::kPass};
}
ModelRule Rule(const std::string& name, NameKind kind, ListPolicy policy, uint32_t line = 1) {
  return {.name = WireName(name), .kind = kind, .policy = policy, .line = line};
}
std::string Found(const NameList& list, const std::string& name, uint64_t lists = kAll) {
  const auto match = list.Find(WireName(name), lists);
  if (!match) return "nothing";
  return (match->policy.action == ListAction::kPass ? "pass " : "block ") + std::to_string(match->policy.list) + ":" +
         std::to_string(match->line);
}

TEST(NameList, ExactSubtreeAndBelowMatchWhatTheyName) {
  const auto list = ListOf({Rule("exact.example", NameKind::kExact, Block(0), 1),
                            Rule("tree.example", NameKind::kSubtree, Block(0), 2),
                            Rule("below.example", NameKind::kBelow, Block(0), 3)});
  EXPECT_EQ(Found(*list, "exact.example"), "block 0:1");
  EXPECT_EQ(Found(*list, "a.exact.example"), "nothing");
  EXPECT_EQ(Found(*list, "tree.example"), "block 0:2");
  EXPECT_EQ(Found(*list, "a.b.TREE.Example"), "block 0:2");
  EXPECT_EQ(Found(*list, "xtree.example"), "nothing");
  EXPECT_EQ(Found(*list, "below.example"), "nothing");
  EXPECT_EQ(Found(*list, "a.below.example"), "block 0:3");
  EXPECT_EQ(Found(*list, "example"), "nothing");
  EXPECT_EQ(Found(*list, "."), "nothing");
}

size_t FromEnvironment(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// SHARDNS_LIST_NAMES and SHARDNS_UNLISTED_NAMES say how many: a million and 100,000,000 take about a minute.
TEST(NameList, NoNameIsBlockedThatTheListDoesNotHold) {
  const size_t listed = FromEnvironment("SHARDNS_LIST_NAMES", 50'000);
  const size_t unlisted = FromEnvironment("SHARDNS_UNLISTED_NAMES", 500'000);
  // A label of eight hexadecimal digits below one of 5,000 zones: b.. is listed, a..  and c.. are not.
  const auto name = [](char first, uint32_t number, std::span<uint8_t, 64> out) {
    static constexpr char kDigits[] = "0123456789abcdef";
    size_t at = 0;
    out[at++] = 9;
    out[at++] = static_cast<uint8_t>(first);
    for (int shift = 28; shift >= 0; shift -= 4) out[at++] = static_cast<uint8_t>(kDigits[number >> shift & 15]);
    const std::string zone = "zone" + std::to_string(number % 5000);
    out[at++] = static_cast<uint8_t>(zone.size());
    std::copy(zone.begin(), zone.end(), out.begin() + static_cast<long>(at));
    at += zone.size();
    static constexpr uint8_t kTop[] = {4, 't', 'e', 's', 't', 0};
    std::copy(std::begin(kTop), std::end(kTop), out.begin() + static_cast<long>(at));
    return Bytes(out).first(at + sizeof kTop);
  };
  const auto number = [](size_t i) { return static_cast<uint32_t>(i * 2'654'435'761u); };
  uint8_t octets[64];
  NameListBuilder builder(7);
  const uint16_t policy = *builder.PolicyOf(Block(0));
  for (size_t i = 0; i < listed; ++i) {
    const NameKind kind = i % 2 == 0 ? NameKind::kExact : NameKind::kSubtree;
    ASSERT_TRUE(builder.Add({.name = name('b', number(i), octets), .kind = kind, .policy = policy, .line = 1}));
  }
  const auto list = std::move(builder).Build();
  EXPECT_EQ(list->names(), listed);
  size_t missed = 0, wrong = 0;
  for (size_t i = 0; i < listed; ++i) missed += !list->Find(name('b', number(i), octets), kAll);
  for (size_t i = 0; i < unlisted; ++i) {
    const char first = i % 3 == 0 ? 'a' : i % 3 == 1 ? 'c' : 'b';
    // Of b.. those that come after the listed ones: another number is another name, as 2,654,435,761 is odd.
    const size_t at = first == 'b' ? listed + i % ((size_t{1} << 32) - listed) : i;
    wrong += list->Find(name(first, number(at), octets), kAll).has_value();
  }
  EXPECT_EQ(missed, 0u);
  EXPECT_EQ(wrong, 0u);
}

TEST(NameList, AnEmptyListAndNoListsFindNothing) {
  EXPECT_EQ(Found(*ListOf({}), "a.example"), "nothing");
  const auto list = ListOf({Rule("a.example", NameKind::kSubtree, Block(5))});
  EXPECT_EQ(Found(*list, "a.example", 0), "nothing");
  EXPECT_EQ(Found(*list, "a.example", uint64_t{1} << 4), "nothing");
  EXPECT_EQ(Found(*list, "a.example", uint64_t{1} << 5), "block 5:1");
}

TEST(NameList, ImportantAllowBeatsImportantBlockBeatsAllowBeatsBlock) {
  const auto list =
      ListOf({Rule("example", NameKind::kSubtree, Block(0), 1), Rule("a.example", NameKind::kSubtree, Pass(1), 2),
              Rule("b.a.example", NameKind::kSubtree, Block(0), 3),
              Rule("c.b.a.example", NameKind::kExact, Block(2, kImportantBlock), 4),
              Rule("d.c.b.a.example", NameKind::kSubtree, Pass(3, kImportantAllow), 5),
              Rule("c.b.a.example", NameKind::kBelow, Block(2, kImportantBlock), 6)});
  EXPECT_EQ(Found(*list, "x.example"), "block 0:1");
  EXPECT_EQ(Found(*list, "x.b.a.example"), "pass 1:2") << "an allow rule holds for what is blocked below it, too";
  EXPECT_EQ(Found(*list, "x.b.a.example", 0b1), "block 0:1") << "whose lists allow nothing";
  EXPECT_EQ(Found(*list, "c.b.a.example"), "block 2:4");
  EXPECT_EQ(Found(*list, "x.c.b.a.example"), "block 2:6");
  EXPECT_EQ(Found(*list, "x.d.c.b.a.example"), "pass 3:5");
}

TEST(NameList, InATierTheLongestNameDecidesExactBeforeWildcardAndThenTheFirstList) {
  const auto list = ListOf(
      {Rule("example", NameKind::kBelow, Block(0), 1), Rule("a.example", NameKind::kExact, Pass(0, kBlock), 2),
       Rule("a.example", NameKind::kBelow, Pass(0, kBlock), 3),
       Rule("b.example", NameKind::kSubtree, Pass(1, kBlock), 4), Rule("b.example", NameKind::kSubtree, Block(0), 5)});
  EXPECT_EQ(Found(*list, "a.example"), "pass 0:2");
  EXPECT_EQ(Found(*list, "x.a.example"), "pass 0:3");
  EXPECT_EQ(Found(*list, "x.example"), "block 0:1");
  EXPECT_EQ(Found(*list, "b.example"), "block 0:5");
  EXPECT_EQ(Found(*list, "b.example", 0b10), "pass 1:4");
}

TEST(NameList, TheRootTheLongestNamesAndTheMostLabelsAreNamesLikeOthers) {
  std::string deep = "a";
  for (int i = 1; i < 127; ++i) deep += ".a";
  const std::string label(63, 'x');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'x');
  ASSERT_EQ(WireName(deep).size(), 255u);
  ASSERT_EQ(WireName(longest).size(), 255u);
  const auto list = ListOf({Rule(deep, NameKind::kExact, Block(0), 1), Rule(longest, NameKind::kSubtree, Block(0), 2),
                            Rule(".", NameKind::kExact, Block(1), 3)});
  EXPECT_EQ(Found(*list, deep), "block 0:1");
  EXPECT_EQ(Found(*list, deep.substr(2)), "nothing");
  EXPECT_EQ(Found(*list, longest), "block 0:2");
  EXPECT_EQ(Found(*list, "."), "block 1:3");
  EXPECT_EQ(Found(*list, "a"), "nothing");
  const auto everything = ListOf({Rule(".", NameKind::kBelow, Block(0), 1)});
  EXPECT_EQ(Found(*everything, deep), "block 0:1");
  EXPECT_EQ(Found(*everything, "."), "nothing");
}

TEST(NameList, DuplicatesAndNamesBelowAListedParentTakeNoMemory) {
  std::vector<ModelRule> rules = {Rule("example", NameKind::kSubtree, Block(0), 1)};
  for (uint32_t i = 0; i < 100; ++i) {
    rules.push_back(Rule("a" + std::to_string(i) + ".example", NameKind::kSubtree, Block(0), i + 2));
    rules.push_back(Rule("example", NameKind::kExact, Block(0), i + 200));
  }
  const auto list = ListOf(rules);
  EXPECT_EQ(list->names(), 1u);
  EXPECT_EQ(Found(*list, "a5.example"), "block 0:1");
  // Where the parent is another list's, or another policy stands between, both are needed.
  const auto kept =
      ListOf({Rule("example", NameKind::kSubtree, Block(0), 1), Rule("a.example", NameKind::kSubtree, Block(1), 2),
              Rule("b.example", NameKind::kSubtree, Pass(0, kBlock), 3),
              Rule("c.b.example", NameKind::kSubtree, Block(0), 4)});
  EXPECT_EQ(kept->names(), 4u);
  EXPECT_EQ(Found(*kept, "a.example", 0b10), "block 1:2");
  EXPECT_EQ(Found(*kept, "c.b.example"), "block 0:4");
}

TEST(NameList, ACancelledRuleIsGoneFromEveryListWhereverItStands) {
  ModelRule cancel = Rule("a.example", NameKind::kSubtree, Block(7), 9);
  cancel.cancels = true;
  const auto list = ListOf(
      {Rule("a.example", NameKind::kSubtree, Block(0), 1), cancel, Rule("a.example", NameKind::kSubtree, Block(1), 2),
       Rule("a.example", NameKind::kSubtree, Pass(1), 3), Rule("b.a.example", NameKind::kSubtree, Block(1), 4)});
  EXPECT_EQ(Found(*list, "a.example"), "pass 1:3");
  EXPECT_EQ(Found(*list, "a.example", 0b1), "nothing");
  EXPECT_EQ(Found(*list, "b.a.example", 0b10), "pass 1:3");
}

TEST(NameList, ManyRulesAndEndsOfThemForOneNameCostNoMoreThanForOthers) {
  NameListBuilder builder(1);
  const uint16_t block = *builder.PolicyOf(Block(0)), pass = *builder.PolicyOf(Pass(0));
  const auto name = WireName("a.example");
  for (uint32_t line = 1; line <= 200'000; ++line) {
    ASSERT_TRUE(builder.Add({.name = name, .kind = NameKind::kSubtree, .policy = pass, .line = line}));
    ASSERT_TRUE(builder.Add({.name = name, .kind = NameKind::kSubtree, .policy = block, .line = line}));
    ASSERT_TRUE(builder.Cancel({.name = name, .kind = NameKind::kSubtree, .policy = block, .line = line}));
  }
  const auto list = std::move(builder).Build();
  EXPECT_EQ(Found(*list, "a.example"), "pass 0:1");
  EXPECT_EQ(list->names(), 1u);
}

TEST(NameList, BoundsAreToldAndNeverPassed) {
  NameListBuilder builder(1, 2);
  const uint16_t policy = *builder.PolicyOf(Block(0));
  const auto add = [&](const std::string& name) {
    return builder.Add({.name = WireName(name), .kind = NameKind::kExact, .policy = policy, .line = 1});
  };
  EXPECT_TRUE(add("a"));
  EXPECT_TRUE(add("b"));
  EXPECT_FALSE(add("c"));
  const auto list = std::move(builder).Build();
  EXPECT_EQ(Found(*list, "b"), "block 0:1");
  EXPECT_EQ(Found(*list, "c"), "nothing");
  NameListBuilder policies(1);
  for (uint32_t i = 0; i < gate::kMaxPolicies; ++i) {
    ASSERT_EQ(policies.PolicyOf({.list = 0, .tier = 0, .action = ListAction::kData, .data = i}), i);
  }
  EXPECT_EQ(policies.PolicyOf({.list = 0, .tier = 0, .action = ListAction::kData, .data = 5}), 5);
  EXPECT_EQ(policies.PolicyOf({.list = 1, .tier = 0, .action = ListAction::kData, .data = 5}), std::nullopt);
}

TEST(NameList, AgreesWithASearchThroughAllRules) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 400; ++round) {
    const size_t labels = 1 + random() % 4;
    const auto name = [&] {
      std::string text;
      for (size_t i = random() % (labels + 1); i > 0; --i) {
        text += (text.empty() ? "" : ".") + std::string(1 + random() % 2, static_cast<char>('a' + random() % 3));
      }
      return text;
    };
    std::vector<ModelRule> rules;
    for (size_t i = random() % 60; i > 0; --i) {
      rules.push_back({.name = WireName(name()),
                       .kind = static_cast<NameKind>(random() % 3),
                       .policy = {.list = static_cast<uint8_t>(random() % 3),
                                  .tier = static_cast<uint8_t>(random() % 3),
                                  .action = static_cast<ListAction>(random() % 3)},
                       .line = static_cast<uint32_t>(rules.size()),
                       .cancels = random() % 16 == 0});
    }
    const auto list = ListOf(rules, random());
    for (int i = 0; i < 200; ++i) {
      const auto asked = WireName(name());
      const uint64_t lists = random() % 8;
      const auto match = list->Find(asked, lists);
      const auto expected = FindInModel(rules, asked, lists);
      ASSERT_EQ(match.has_value(), expected.has_value()) << round;
      if (match) {
        ASSERT_EQ(match->policy, *expected) << round;
      }
    }
  }
}

TEST(NameList, ReadersSeeOneListOrTheOtherWhileItIsReplaced) {
  Published<NameList> published;
  const auto make = [](uint32_t n) {
    std::vector<ModelRule> rules;
    for (int i = 0; i < 40; ++i) rules.push_back(Rule("n" + std::to_string(i), NameKind::kSubtree, Block(0), n));
    return ListOf(rules, n);
  };
  published.Publish(make(1));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      Published<NameList>::Reader reader(published);
      const auto first = WireName("n0"), last = WireName("x.n39"), no = WireName("n40");
      while (!stop) {
        const auto held = reader.Take();
        const auto a = held->Find(first, kAll), b = held->Find(last, kAll);
        EXPECT_TRUE(a && b && a->line == b->line);
        EXPECT_FALSE(held->Find(no, kAll));
        ++reads;
      }
    });
  }
  for (uint32_t n = 2; n <= 200 || reads < 1000; ++n) published.Publish(make(n));
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// No name is found that was not listed, in a list as large as SHARDNS_LIST_NAMES says (80 octets of memory a name
// while it is built).
TEST(NameList, OfManyNamesAllAreFoundAndNoOther) {
  const char* const wanted = std::getenv("SHARDNS_LIST_NAMES");
  const uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 100'000;
  NameListBuilder builder(9);
  const uint16_t policy = *builder.PolicyOf(Block(0));
  const auto name = [](uint64_t n, char kind, uint8_t(&out)[24]) {
    out[0] = 13;
    out[1] = static_cast<uint8_t>(kind);
    for (uint64_t i = 2, z = n * 0x9E3779B97F4A7C15u; i < 14; ++i, z >>= 5)
      out[i] = "abcdefghijklmnopqrstuvwxyz012345"[z & 31];
    out[14] = 3;
    std::memcpy(out + 15, n % 3 == 0 ? "com" : n % 3 == 1 ? "net" : "org", 3);
    out[18] = 0;
    return Bytes(out, 19);
  };
  uint8_t octets[24];
  for (uint64_t n = 0; n < count; ++n) {
    ASSERT_TRUE(builder.Add({.name = name(n, 'l', octets), .kind = NameKind::kSubtree, .policy = policy, .line = 1}));
  }
  const auto list = std::move(builder).Build();
  EXPECT_LE(list->memory_bytes(), list->names() * 40 + 4096);
  for (uint64_t n = 0; n < count; ++n) {
    ASSERT_TRUE(list->Find(name(n, 'l', octets), 1)) << n;
    ASSERT_FALSE(list->Find(name(n, 'f', octets), 1)) << n;
  }
}

// What a response policy zone mostly has: a name, and in the next line all below it.
TEST(NameList, OfAZoneANameAndAllBelowItTakeOneRuleAndKeepTheirLines) {
  NameListBuilder builder(9);
  builder.BeginZone(0);
  const uint16_t policy = *builder.PolicyOf(Block(0)), other = *builder.PolicyOf(Pass(0, kBlock));
  const auto add = [&](const std::string& name, NameKind kind, uint16_t of, uint32_t line) {
    const std::vector<uint8_t> wire = WireName(name);
    ASSERT_TRUE(builder.Add({.name = wire, .kind = kind, .policy = of, .line = line}));
  };
  constexpr uint32_t kNames = 100'000;
  for (uint32_t n = 0; n < kNames; ++n) {
    const std::string name = "n" + std::to_string(n * 7 + 1'000'000) + ".ads.example";
    add(name, NameKind::kExact, policy, 2 * n + 10);
    add(name, NameKind::kBelow, policy, 2 * n + 11);
  }
  add("kept.example", NameKind::kExact, other, 1);
  add("kept.example", NameKind::kBelow, policy, 2);
  add("far.example", NameKind::kExact, policy, 3);
  add("far.example", NameKind::kBelow, policy, 9);
  add("*.wild.example", NameKind::kBelow, policy, 5);
  ASSERT_TRUE(builder.EndZone(0));
  const auto list = std::move(builder).Build();
  EXPECT_EQ(Found(*list, "n1000000.ads.example"), "block 0:10");
  EXPECT_EQ(Found(*list, "a.b.n1000000.ads.example"), "block 0:11");
  EXPECT_EQ(Found(*list, "ads.example"), "nothing");
  EXPECT_EQ(Found(*list, "kept.example"), "pass 0:1");
  EXPECT_EQ(Found(*list, "a.kept.example"), "block 0:2");
  EXPECT_EQ(Found(*list, "far.example"), "block 0:3");
  EXPECT_EQ(Found(*list, "a.far.example"), "block 0:9");
  // 22 octets of a name.
  EXPECT_LE(list->memory_bytes(), list->names() * 42 + 4096);
}

}  // namespace
}  // namespace shardns::test
