// Which queries are answered, refused or ignored.
#include "wire/question.h"

#include <gtest/gtest.h>

#include "message_builder.h"

namespace shardns::test {
namespace {

using wire::QueryVerdict;

QueryVerdict Parse(const Buffer& message) {
  wire::Query query;
  return wire::ParseQuery(message, &query);
}

TEST(ParseQuery, ResponsesAndFragmentsAreDropped) {
  EXPECT_EQ(Parse(AResponse("a.example")), QueryVerdict::kDrop);
  EXPECT_EQ(Parse({1, 2, 3}), QueryVerdict::kDrop);
}

TEST(ParseQuery, OtherOpcodesAreNotImplemented) {
  EXPECT_EQ(Parse(Query("a.example", 1, 1, 0x2000)), QueryVerdict::kNotImp);
}

TEST(ParseQuery, ZeroOrManyQuestionsAreFormErr) {
  EXPECT_EQ(Parse(MessageBuilder(1, 0x0100).bytes()), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(MessageBuilder(1, 0x0100).Question("a", 1).Question("b", 1).bytes()), QueryVerdict::kFormErr);
}

TEST(ParseQuery, TwoOptsAreFormErrAndAnotherVersionIsBadVers) {
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Question("a", 1).Opt(1232).Opt(1232).bytes()), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Question("a", 1).Opt(1232, 0x00010000).bytes()), QueryVerdict::kBadVersion);
}

TEST(ParseQuery, ASmallBufferSizeCountsAs512) {
  wire::Query query;
  const Buffer message = MessageBuilder(1, 0).Question("a", 1).Opt(100).bytes();
  ASSERT_EQ(wire::ParseQuery(message, &query), QueryVerdict::kAnswer);
  EXPECT_EQ(query.edns.udp_size, 512);
}

TEST(ParseQuery, TransfersAreRefusedAndMetaTypesNotImplemented) {
  EXPECT_EQ(Parse(Query("a", 252)), QueryVerdict::kRefused);
  EXPECT_EQ(Parse(Query("a", 251)), QueryVerdict::kRefused);
  EXPECT_EQ(Parse(Query("a", 249)), QueryVerdict::kNotImp);
  EXPECT_EQ(Parse(Query("a", 254)), QueryVerdict::kNotImp);
  EXPECT_EQ(Parse(Query("a", 255)), QueryVerdict::kAny);
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Question("a", 1, 3).bytes()), QueryVerdict::kOtherClass);
}

TEST(ParseQuery, NamesBeyond255OctetsOrWithPointersAreFormErr) {
  Buffer longest;
  for (int i = 0; i < 3; ++i) {
    longest.push_back(63);
    longest.insert(longest.end(), 63, 'a');
  }
  longest.push_back(61);
  longest.insert(longest.end(), 61, 'a');
  longest.push_back(0);
  ASSERT_EQ(longest.size(), 255u);
  const auto with = [](const Buffer& name) {
    Buffer message = MessageBuilder(1, 0).Raw(name).U16(1).U16(1).bytes();
    Store16(&message[4], 1);
    return message;
  };
  EXPECT_EQ(Parse(with(longest)), QueryVerdict::kAnswer);
  Buffer longer = longest;
  longer[192] = 62;
  longer.insert(longer.begin() + 193, 'a');
  EXPECT_EQ(Parse(with(longer)), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(with({0xC0, 0x0C})), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(with({0x40, 1, 0})), QueryVerdict::kFormErr);
}

TEST(ParseQuery, EveryCutOfAQueryIsSurvived) {
  const Buffer message = MessageBuilder(1, 0x0100)
                             .Question("www.example.com", 28)
                             .Opt(4096, 0x8000, {0, 8, 0, 7, 0, 1, 24, 0, 1, 2, 3})
                             .bytes();
  ASSERT_EQ(Parse(message), QueryVerdict::kAnswer);
  for (size_t length = 0; length < message.size(); ++length) {
    EXPECT_NE(Parse(Buffer(message.begin(), message.begin() + static_cast<long>(length))), QueryVerdict::kAnswer);
  }
}

TEST(FoldWord, ChangesAsciiLettersOnly) {
  for (int octet = 0; octet < 256; ++octet) {
    uint8_t in[8], out[8];
    std::memset(in, octet, 8);
    wire::Fold(out, in, 8);
    const uint8_t expected =
        octet >= 'A' && octet <= 'Z' ? static_cast<uint8_t>(octet + 32) : static_cast<uint8_t>(octet);
    for (uint8_t got : out) ASSERT_EQ(got, expected) << octet;
  }
}

}  // namespace
}  // namespace shardns::test
