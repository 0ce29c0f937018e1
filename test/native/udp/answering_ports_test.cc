// The table of ports against the list that it is made of.
#include "udp/answering_ports.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shardns::test {
namespace {

TEST(AnsweringPorts, AreTheListed) {
  for (uint32_t port = 0; port <= UINT16_MAX; ++port) {
    const bool listed = std::count(std::begin(udp::kAnsweringPorts), std::end(udp::kAnsweringPorts), port) != 0;
    ASSERT_EQ(udp::AnswersByItself(static_cast<uint16_t>(port)), listed) << port;
  }
  EXPECT_FALSE(udp::AnswersByItself(53));
}

}  // namespace
}  // namespace shardns::test
