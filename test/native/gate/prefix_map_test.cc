// The longest prefix against a search through all of them.
#include "gate/prefix_map.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace shardns::test {
namespace {

using gate::PrefixMap;
using gate::PrefixRule;

std::vector<uint8_t> Octets(const std::string& text) {
  const bool v6 = text.find(':') != std::string::npos;
  std::vector<uint8_t> octets(v6 ? 16 : 4);
  EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), octets.data()), 1) << text;
  return octets;
}
PrefixRule Rule(const std::string& text, uint8_t length, uint32_t value, uint32_t mask = PrefixMap::kMaxValue) {
  const std::vector<uint8_t> octets = Octets(text);
  PrefixRule rule = {
      .prefix = {.address = {}, .length = length, .v6 = octets.size() == 16}, .value = value, .mask = mask};
  std::copy(octets.begin(), octets.end(), rule.prefix.address);
  return rule;
}

// What the map is to say: the rules around the address, from the outermost in.
uint32_t Naive(const std::vector<PrefixRule>& rules, uint32_t otherwise, Bytes address) {
  const bool mapped = address.size() == 16 &&
                      std::all_of(address.begin(), address.begin() + 10, [](uint8_t o) { return o == 0; }) &&
                      address[10] == 0xFF && address[11] == 0xFF;
  std::vector<std::pair<int, const PrefixRule*>> around;
  for (const bool of_v4 : {true, false}) {  // of one length, the IPv6 prefix is the inner one
    for (const PrefixRule& rule : rules) {
      const Bytes in = rule.prefix.v6 || !mapped ? address : address.subspan(12);
      if (rule.prefix.v6 == of_v4 || in.size() != (rule.prefix.v6 ? 16u : 4u)) continue;
      bool inside = true;
      for (int bit = 0; inside && bit < rule.prefix.length; ++bit) {
        inside = ((rule.prefix.address[bit / 8] ^ in[bit / 8]) >> (7 - bit % 8) & 1) == 0;
      }
      if (inside) around.emplace_back(rule.prefix.length + (mapped && !rule.prefix.v6 ? 96 : 0), &rule);
    }
  }
  std::stable_sort(around.begin(), around.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  uint32_t value = otherwise;
  for (const auto& [length, rule] : around) value = (value & ~rule->mask) | (rule->value & rule->mask);
  return value;
}

TEST(PrefixMap, TheLongestPrefixDecidesInEachFamilyByItself) {
  const PrefixMap map(
      std::vector<PrefixRule>{Rule("10.0.0.0", 8, 1), Rule("10.1.0.0", 16, 2), Rule("10.1.2.3", 32, 3),
                              Rule("2001:db8::", 32, 4), Rule("::", 0, 5), Rule("255.255.255.255", 32, 6)},
      9);
  const std::pair<const char*, uint32_t> expected[] = {
      {"9.255.255.255", 9}, {"10.0.0.0", 1},        {"10.0.255.255", 1},    {"10.1.0.0", 2},
      {"10.1.2.2", 2},      {"10.1.2.3", 3},        {"10.1.2.4", 2},        {"10.2.0.0", 1},
      {"11.0.0.0", 9},      {"255.255.255.254", 9}, {"255.255.255.255", 6}, {"2001:db7:ffff::", 5},
      {"2001:db8::1", 4},   {"2001:db9::", 5},      {"0.0.0.0", 9},         {"ffff::", 5}};
  for (const auto& [address, value] : expected) EXPECT_EQ(map.Find(Octets(address)), value) << address;
}

TEST(PrefixMap, AMappedAddressLiesInItsIPv4PrefixesWhateverIPv6PrefixesThereAre) {
  const std::vector<PrefixRule> v4 = {Rule("10.0.0.0", 8, 1), Rule("10.1.2.3", 32, 2)};
  const PrefixMap alone(v4, 9);
  EXPECT_EQ(alone.Find(Octets("::ffff:10.1.2.3")), 2u);
  EXPECT_EQ(alone.Find(Octets("::ffff:10.1.2.4")), 1u);
  EXPECT_EQ(alone.Find(Octets("::ffff:11.1.2.4")), 9u);
  EXPECT_EQ(alone.Find(Octets("::10.1.2.3")), 9u) << "a compatible address is not a mapped one";
  std::vector<PrefixRule> both = v4;
  both.push_back(Rule("::", 0, 3));
  both.push_back(Rule("::ffff:10.1.0.0", 112, 4));
  const PrefixMap map(both, 9);
  EXPECT_EQ(map.Find(Octets("::ffff:10.1.2.3")), 2u);
  EXPECT_EQ(map.Find(Octets("::ffff:10.1.2.4")), 4u);
  EXPECT_EQ(map.Find(Octets("::ffff:10.2.2.4")), 1u);
  EXPECT_EQ(map.Find(Octets("::ffff:11.2.2.4")), 3u);
  EXPECT_EQ(map.Find(Octets("10.1.2.4")), 1u) << "an IPv4 address lies in no IPv6 prefix";
  EXPECT_EQ(map.Find(Octets("11.1.2.4")), 9u);
}

TEST(PrefixMap, WhatARuleLeavesOpenIsToldByThePrefixAroundIt) {
  const PrefixMap map(std::vector<PrefixRule>{Rule("10.0.0.0", 8, 0x10, 0xF0), Rule("10.1.0.0", 16, 0x1, 0xF),
                                              Rule("10.1.1.0", 24, 0x30, 0xF0), Rule("10.1.0.0", 16, 0x20, 0xF0)},
                      0x7);
  EXPECT_EQ(map.Find(Octets("10.0.0.1")), 0x17u);
  EXPECT_EQ(map.Find(Octets("10.1.0.1")), 0x21u);
  EXPECT_EQ(map.Find(Octets("10.1.1.1")), 0x31u);
  EXPECT_EQ(map.Find(Octets("10.2.0.1")), 0x17u);
  EXPECT_EQ(map.Find(Octets("11.0.0.1")), 0x7u);
}

TEST(PrefixMap, AgreesWithASearchThroughAllPrefixes) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    // Octets of few values make prefixes that nest and touch; of all values, groups of many keys.
    const bool few = round % 3 != 0;
    const auto octet = [&](uint8_t) -> uint8_t {
      if (!few) return static_cast<uint8_t>(random());
      return random() % 2 == 0 ? 0 : random() % 4 == 0 ? 0xFF : 0x80;
    };
    const auto fill = [&](uint8_t* octets, size_t size) {
      std::transform(octets, octets + size, octets, octet);
      if (size == 16 && random() % 4 == 0) {  // mapped
        std::fill(octets, octets + 10, 0);
        octets[10] = octets[11] = 0xFF;
      }
    };
    std::vector<PrefixRule> rules;
    const size_t count = few ? random() % 40 : random() % 1200;
    for (uint32_t i = 0; i < count; ++i) {
      PrefixRule one = {.prefix = {.address = {}, .length = 0, .v6 = random() % 2 == 0},
                        .value = static_cast<uint32_t>(random()) >> 1,
                        .mask = random() % 2 == 0 ? PrefixMap::kMaxValue : 0xFFFFu << random() % 15};
      one.prefix.length = static_cast<uint8_t>(few ? random() % (one.prefix.v6 ? 129 : 33)
                                                   : (one.prefix.v6 ? 128 : 32) - random() % 12);
      fill(one.prefix.address, one.prefix.v6 ? 16 : 4);
      rules.push_back(one);
    }
    const PrefixMap map(rules, round);
    for (int i = 0; i < 150; ++i) {
      uint8_t octets[16];
      const size_t size = random() % 2 == 0 ? 16 : 4;
      fill(octets, size);
      if (count != 0 && i % 2 == 0) {  // a prefix's first or last address, or the one beside it
        const gate::Prefix& prefix = rules[random() % count].prefix;
        if ((prefix.v6 ? 16u : 4u) == size) {
          std::copy_n(prefix.address, size, octets);
          const bool last = random() % 2 == 0;
          for (size_t bit = prefix.length; bit < size * 8; ++bit) {
            const uint8_t one = static_cast<uint8_t>(0x80 >> bit % 8);
            octets[bit / 8] = static_cast<uint8_t>(last ? octets[bit / 8] | one : octets[bit / 8] & ~one);
          }
          if (random() % 2 == 0) octets[size - 1] = static_cast<uint8_t>(octets[size - 1] + (last ? 1 : 0xFF));
        }
      }
      ASSERT_EQ(map.Find({octets, size}), Naive(rules, static_cast<uint32_t>(round), {octets, size})) << round;
    }
  }
}

TEST(PrefixMap, HoldsManyPrefixesInTheMemoryThatItStates) {
  std::mt19937 random(3);
  for (const bool v6 : {false, true}) {
    for (const uint8_t length : {uint8_t{24}, uint8_t{32}, uint8_t{64}, uint8_t{128}}) {
      if (!v6 && length > 32) continue;
      std::vector<PrefixRule> rules(20'000);
      for (PrefixRule& rule : rules) {
        rule = {.prefix = {.address = {}, .length = length, .v6 = v6}, .value = 1, .mask = 1};
        for (uint8_t& octet : rule.prefix.address) octet = static_cast<uint8_t>(random());
      }
      const PrefixMap map(rules, 0);
      EXPECT_LE(map.memory_bytes(), rules.size() * (v6 ? 82 : 17) + 1024) << int{length};
      for (size_t i = 0; i < 1000; ++i) {
        EXPECT_EQ(map.Find({rules[i].prefix.address, v6 ? 16u : 4u}), 1u);
      }
    }
  }
  // As costly as can be: each bit of an address branches off, so that many groups are needed.
  std::vector<PrefixRule> costly;
  for (int n = 0; n < 2000; ++n) {
    for (const uint8_t length : {uint8_t{34}, uint8_t{70}, uint8_t{104}, uint8_t{128}}) {
      PrefixRule rule = {.prefix = {.address = {}, .length = length, .v6 = true}, .value = length, .mask = 0xFF};
      Store32(rule.prefix.address, static_cast<uint32_t>(n) * 7919 * 131);
      for (int at : {4, 8, 12}) Store32(rule.prefix.address + at, static_cast<uint32_t>(n) * 104729 * 31);
      costly.push_back(rule);
    }
  }
  EXPECT_LE(PrefixMap(costly, 0).memory_bytes(), costly.size() * 290);
}

}  // namespace
}  // namespace shardns::test
