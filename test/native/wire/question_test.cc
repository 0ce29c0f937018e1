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
  EXPECT_EQ(Parse(Query("a.example", 1, 1, 0x1000)), QueryVerdict::kNotImp);
}

TEST(ParseQuery, NotifyAndUpdateAreForThoseWhoHaveAZone) {
  wire::Query query;
  EXPECT_EQ(wire::ParseQuery(Query("a.example", 6, 1, 0x2000), &query), QueryVerdict::kNotify);
  EXPECT_EQ(query.type, 6);
  EXPECT_EQ(Parse(Query("a.example", 6, 1, 0x2800)), QueryVerdict::kUpdate);
  EXPECT_EQ(Parse(MessageBuilder(1, 0x2000).bytes()), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(MessageBuilder(1, 0x2000).Question("a", 6).Opt(1232, 0x00010000).bytes()), QueryVerdict::kBadVersion);
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
  EXPECT_EQ(Parse(Query("a", 252)), QueryVerdict::kTransfer);
  EXPECT_EQ(Parse(Query("a", 251)), QueryVerdict::kTransfer);
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

// The plain query's short way, and the way of every query: where the first says yes, both must have read the same.
void ExpectBothWaysAgree(const Buffer& message) {
  wire::Query shorter, longer;
  const QueryVerdict verdict = wire::ParseAnyQuery(message, &longer);
  // Left over from another query.
  shorter.edns = {
      .present = true, .dnssec_ok = true, .version = 3, .extended_rcode = 1, .udp_size = 4096, .subnet = {}};
  shorter.edns.subnet.family = 1;
  shorter.edns.wants_nsid = shorter.edns.wants_expire = true;
  if (!wire::ParsePlainQuery(message, &shorter) && !wire::ParseCookieQuery(message, &shorter)) return;
  ASSERT_EQ(verdict, QueryVerdict::kAnswer);
  EXPECT_EQ(shorter.message.data(), longer.message.data());
  EXPECT_EQ(shorter.message.size(), longer.message.size());
  EXPECT_EQ(shorter.id, longer.id);
  EXPECT_EQ(shorter.flags, longer.flags);
  EXPECT_EQ(shorter.question_end, longer.question_end);
  EXPECT_EQ(shorter.type, longer.type);
  EXPECT_EQ(shorter.dns_class, longer.dns_class);
  EXPECT_EQ(shorter.name_length, longer.name_length);
  EXPECT_EQ(shorter.edns.present, longer.edns.present);
  EXPECT_EQ(shorter.edns.dnssec_ok, longer.edns.dnssec_ok);
  EXPECT_EQ(shorter.edns.version, longer.edns.version);
  EXPECT_EQ(shorter.edns.extended_rcode, longer.edns.extended_rcode);
  EXPECT_EQ(shorter.edns.udp_size, longer.edns.udp_size);
  EXPECT_EQ(shorter.edns.subnet.family, longer.edns.subnet.family);
  EXPECT_EQ(shorter.edns.cookie, longer.edns.cookie);
  EXPECT_EQ(shorter.edns.wants_nsid, longer.edns.wants_nsid);
  EXPECT_EQ(shorter.edns.wants_expire, longer.edns.wants_expire);
}

TEST(ParseCookieQuery, TakesHalfACookieAndAWholeOneAlone) {
  const auto with = [](const Buffer& options) {
    return MessageBuilder(1, 0x0100).Question("www.example.com", 28).Opt(1232, 0x8000, options).bytes();
  };
  const auto takes = [](const Buffer& message) {
    wire::Query query;
    return wire::ParseCookieQuery(message, &query);
  };
  const auto cookie = [](uint8_t length) {
    Buffer option = {0, 10, 0, length};
    for (uint8_t i = 0; i < length; ++i) option.push_back(static_cast<uint8_t>(i + 1));
    return option;
  };
  EXPECT_TRUE(takes(with(cookie(8))));
  EXPECT_TRUE(takes(with(cookie(24))));
  for (const uint8_t length : {0, 7, 9, 16, 40}) EXPECT_FALSE(takes(with(cookie(length)))) << int{length};
  Buffer two = cookie(8);
  const Buffer second = cookie(24);
  two.insert(two.end(), second.begin(), second.end());
  EXPECT_FALSE(takes(with(two))) << "the first of two counts";
  EXPECT_FALSE(takes(Query("www.example.com")));
  for (const Buffer& seed : {with(cookie(8)), with(cookie(24)), with(two)}) {
    ExpectBothWaysAgree(seed);
    for (size_t at = 0; at < seed.size(); ++at) {
      for (const uint8_t change : {1, 2, 0x10, 0x80}) {
        Buffer changed = seed;
        changed[at] ^= change;
        ExpectBothWaysAgree(changed);
      }
      ExpectBothWaysAgree(Buffer(seed.begin(), seed.begin() + static_cast<long>(at)));
    }
  }
}

TEST(ParseQuery, SeesThatTheServersNameIsAskedFor) {
  const auto asks = [](const Buffer& options) {
    wire::Query query;
    wire::ParseQuery(MessageBuilder(1, 0x0100).Question("www.example.com", 1).Opt(1232, 0, options).bytes(), &query);
    return query.edns.wants_nsid;
  };
  EXPECT_TRUE(asks({0, 3, 0, 0}));
  EXPECT_TRUE(asks({0, 12, 0, 1, 0, 0, 3, 0, 2, 1, 2}));
  EXPECT_FALSE(asks({}));
  EXPECT_FALSE(asks({0, 12, 0, 1, 0}));
}

TEST(ParseQuery, SeesThatTheTimeUntilAZoneExpiresIsAskedFor) {
  const auto asks = [](const Buffer& options) {
    wire::Query query;
    const Buffer message = MessageBuilder(1, 0).Question("example.com", 6).Opt(1232, 0, options).bytes();
    EXPECT_EQ(wire::ParseQuery(message, &query), QueryVerdict::kAnswer);
    return query.edns.wants_expire;
  };
  EXPECT_TRUE(asks({0, 9, 0, 0}));
  EXPECT_TRUE(asks({0, 12, 0, 1, 0, 0, 9, 0, 0}));
  EXPECT_FALSE(asks({}));
  EXPECT_FALSE(asks({0, 9, 0, 4, 0, 0, 0, 1})) << "with content it is no question";
}

TEST(ParseQuery, WithoutAQuestionACookieIsAskedFor) {
  const Buffer cookie = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Opt(1232, 0, cookie).bytes()), QueryVerdict::kNoQuestion);
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Opt(1232, 0).bytes()), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(MessageBuilder(1, 0).bytes()), QueryVerdict::kFormErr);
  EXPECT_EQ(Parse(MessageBuilder(1, 0).Opt(1232, 0x10000, cookie).bytes()), QueryVerdict::kFormErr) << "EDNS version 1";
}

TEST(ParsePlainQuery, TakesPlainQueriesOnly) {
  const auto plain = [](const Buffer& message) {
    wire::Query query;
    return wire::ParsePlainQuery(message, &query);
  };
  EXPECT_TRUE(plain(Query("www.example.com")));
  EXPECT_TRUE(plain(Query("")));
  EXPECT_TRUE(plain(EdnsQuery("www.example.com", 28, 4096, true)));
  EXPECT_FALSE(plain(Query("www.example.com", 255)));
  EXPECT_FALSE(plain(Query("www.example.com", 1, 1, 0x8100)));
  Buffer longer = Query("www.example.com");
  longer.push_back(0);
  EXPECT_FALSE(plain(longer));
}

TEST(ParsePlainQuery, ReadsWhatEveryQueryReads) {
  for (const Buffer& seed : {Query(""), Query("a"), Query("www.example.com", 28), EdnsQuery("www.example.com"),
                             EdnsQuery("b.example", 1, 100, true)}) {
    ExpectBothWaysAgree(seed);
    for (size_t at = 0; at < seed.size(); ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        Buffer changed = seed;
        changed[at] = static_cast<uint8_t>(octet);
        ExpectBothWaysAgree(changed);
      }
      ExpectBothWaysAgree(Buffer(seed.begin(), seed.begin() + static_cast<long>(at)));
    }
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
