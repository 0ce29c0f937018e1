// The longest prefix against a search through all of them.
#include "udp/prefix_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "udp/answering_ports.h"

namespace shardns::test {
namespace {

udp::Endpoint At(const char* text) {
  udp::Endpoint endpoint;
  EXPECT_TRUE(udp::MakeEndpoint(text, 1, &endpoint)) << text;
  return endpoint;
}
const sockaddr* Peer(const udp::Endpoint& endpoint) { return reinterpret_cast<const sockaddr*>(&endpoint.address); }

udp::MappedPrefix Prefix(const char* text, uint8_t length, uint32_t value) {
  const udp::Endpoint at = At(text);
  udp::MappedPrefix mapped = {.prefix = {.address = {}, .length = length, .v6 = at.v6()}, .value = value};
  if (at.v6()) {
    std::memcpy(mapped.prefix.address, &reinterpret_cast<const sockaddr_in6*>(&at.address)->sin6_addr, 16);
  } else {
    std::memcpy(mapped.prefix.address, &reinterpret_cast<const sockaddr_in*>(&at.address)->sin_addr, 4);
  }
  return mapped;
}

TEST(PrefixMap, TheLongestPrefixDecidesInEachFamilyByItself) {
  const udp::PrefixMap map(
      std::vector<udp::MappedPrefix>{Prefix("10.0.0.0", 8, 1), Prefix("10.1.0.0", 16, 2), Prefix("10.1.2.3", 32, 3),
                                     Prefix("2001:db8::", 32, 4), Prefix("::", 0, 5), Prefix("255.255.255.255", 32, 6)},
      9);
  const std::pair<const char*, uint32_t> expected[] = {
      {"9.255.255.255", 9},   {"10.0.0.0", 1},        {"10.0.255.255", 1}, {"10.1.0.0", 2},   {"10.1.2.2", 2},
      {"10.1.2.3", 3},        {"10.1.2.4", 2},        {"10.2.0.0", 1},     {"11.0.0.0", 9},   {"255.255.255.254", 9},
      {"255.255.255.255", 6}, {"2001:db7:ffff::", 5}, {"2001:db8::1", 4},  {"2001:db9::", 5}, {"::ffff:10.1.2.3", 5},
      {"0.0.0.0", 9},         {"ffff::", 5}};
  for (const auto& [address, value] : expected) EXPECT_EQ(map.Find(Peer(At(address))), value) << address;
}

TEST(PrefixMap, AgreesWithASearchThroughAllPrefixes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<udp::MappedPrefix> prefixes;
    const size_t count = random() % 40;
    for (uint32_t i = 0; i < count; ++i) {
      udp::MappedPrefix one = {.prefix = {.address = {}, .length = 0, .v6 = random() % 2 == 0}, .value = i + 1};
      one.prefix.length = static_cast<uint8_t>(random() % (one.prefix.v6 ? 129 : 33));
      for (uint8_t& octet : one.prefix.address) octet = random() % 2 == 0 ? 0 : random() % 4 == 0 ? 0xFF : 0x80;
      prefixes.push_back(one);
    }
    const udp::PrefixMap map(prefixes, 0);
    for (int i = 0; i < 100; ++i) {
      sockaddr_storage peer = {};
      const bool v6 = random() % 2 == 0;
      peer.ss_family = v6 ? AF_INET6 : AF_INET;
      uint8_t octets[16];
      for (uint8_t& octet : octets) octet = random() % 2 == 0 ? 0 : random() % 4 == 0 ? 0xFF : 0x80;
      if (v6) {
        std::memcpy(&reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr, octets, 16);
      } else {
        std::memcpy(&reinterpret_cast<sockaddr_in*>(&peer)->sin_addr, octets, 4);
      }
      uint32_t expected = 0;
      int longest = -1;
      for (const auto& [prefix, value] : prefixes) {
        bool inside = prefix.v6 == v6;
        for (int bit = 0; inside && bit < prefix.length; ++bit) {
          inside = ((prefix.address[bit / 8] ^ octets[bit / 8]) >> (7 - bit % 8) & 1) == 0;
        }
        if (!inside || prefix.length < longest) continue;
        longest = prefix.length;
        expected = value;
      }
      ASSERT_EQ(map.Find(reinterpret_cast<const sockaddr*>(&peer)), expected);
    }
  }
}

TEST(AnsweringPorts, AreTheListed) {
  for (uint32_t port = 0; port <= UINT16_MAX; ++port) {
    const bool listed = std::count(std::begin(udp::kAnsweringPorts), std::end(udp::kAnsweringPorts), port) != 0;
    ASSERT_EQ(udp::AnswersByItself(static_cast<uint16_t>(port)), listed) << port;
  }
  EXPECT_FALSE(udp::AnswersByItself(53));
}

}  // namespace
}  // namespace shardns::test
