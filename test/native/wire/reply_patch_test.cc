// What a reply that is too long leaves out, and when it says so (RFC 2181 section 9).
#include "wire/reply_patch.h"

#include <gtest/gtest.h>

#include <string>

#include "message_builder.h"
#include "wire/ttl_scan.h"

namespace shardns::test {
namespace {

constexpr size_t kAnswer = 6, kAuthority = 8, kAdditional = 10;

struct Counts {
  uint16_t answers, authority, additional;
  bool truncated;
  bool operator==(const Counts&) const = default;
};
void PrintTo(const Counts& counts, std::ostream* out) {
  *out << counts.answers << '/' << counts.authority << '/' << counts.additional << (counts.truncated ? " TC" : "");
}

MessageBuilder Response(uint16_t rcode = 0) {
  return std::move(MessageBuilder(0, 0x8180 | rcode).Question("a.example", 1));
}
void Add(MessageBuilder* builder, size_t section, int records, uint16_t type = 1) {
  for (int i = 0; i < records; ++i) {
    const Buffer data = type == 2 ? Name("ns" + std::to_string(i) + ".example") : Buffer{192, 0, 2, uint8_t(i)};
    builder->Record(section, section == kAnswer ? Buffer{0xC0, 12} : Name("x" + std::to_string(i) + ".example"), type,
                    60, data);
  }
}
// The reply of at most 512 octets, in a buffer of `room` octets.
Counts Reply(const Buffer& message, size_t room = 4096, bool edns = false) {
  const Buffer asked = edns ? EdnsQuery("a.example", 1, 512) : Query("a.example");
  wire::Query query;
  wire::ParseQuery(asked, &query);
  Buffer out(room);
  std::copy_n(message.begin(), std::min(message.size(), room - wire::kReplySlack), out.begin());
  const size_t length = wire::FinishReply(query, message.size(), {}, {}, out);
  EXPECT_LE(length, 512u);
  wire::RecordWalk walk(Bytes(out.data(), length), query.question_end);
  wire::Record record;
  while (walk.Next(&record)) {
  }
  EXPECT_TRUE(walk.ok() && walk.at() == length);
  const uint8_t* octets = out.data();
  return {wire::AnCount(octets), wire::NsCount(octets), wire::ArCount(octets),
          (wire::Flags(octets) & wire::flag::kTc) != 0};
}

TEST(AReply, HasTheServersNameWhereItIsAskedForAndAlwaysRoomForTheLongest) {
  const Buffer name(wire::kMaxNsid, 'n');
  const std::string longest =
      std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(63, 'c') + '.' + std::string(61, 'd');
  const Buffer asked = MessageBuilder(1, 0x0100).Question(longest, 1).Opt(512, 0, Buffer{0, 3, 0, 0}).bytes();
  wire::Query query;
  ASSERT_EQ(wire::ParseQuery(asked, &query), wire::QueryVerdict::kAnswer);
  Buffer out(512);
  const size_t bare = wire::WriteErrorReply(query, wire::rcode::kServFail, {}, wire::ede::kCachedError, out);
  query.edns.reply_nsid = name;
  const size_t length = wire::WriteErrorReply(query, wire::rcode::kServFail, {}, wire::ede::kCachedError, out);
  ASSERT_EQ(length, bare + 4 + name.size());
  EXPECT_TRUE(std::equal(name.begin(), name.end(), out.begin() + static_cast<long>(length - name.size())));
  query.edns.wants_nsid = false;
  EXPECT_EQ(wire::WriteErrorReply(query, wire::rcode::kServFail, {}, wire::ede::kCachedError, out), bare);
}

// What is told beside the extended error, in a buffer of `room` octets.
std::string ErrorText(std::string_view text, size_t room, const Buffer& asked) {
  wire::Query query;
  wire::ParseQuery(asked, &query);
  Buffer out(room);
  const size_t length = wire::WriteErrorReply(query, wire::rcode::kServFail, {}, {wire::ede::kCachedError, text}, out);
  EXPECT_LE(length, std::min<size_t>(room, 512));
  if (!query.edns.present) return {};
  const size_t at = query.question_end + wire::kBareOptSize;
  EXPECT_EQ(Load16(&out[at]), wire::kOptionExtendedError);
  EXPECT_EQ(Load16(&out[at + 2]), length - at - 4) << "the OPT ends with it";
  EXPECT_EQ(Load16(&out[query.question_end + 9]), length - at);
  return std::string(reinterpret_cast<const char*>(&out[at + 6]), length - at - 6);
}

TEST(ErrorReply, TellsOfTheTextWhatThereIsRoomFor) {
  const Buffer asked = EdnsQuery("a.example", 1, 512);
  EXPECT_EQ(ErrorText("a reason", 512, asked), "a reason");
  EXPECT_EQ(ErrorText("", 512, asked), "");
  EXPECT_EQ(ErrorText(std::string(500, 'x'), 512, asked), std::string(wire::kMaxErrorText, 'x'));
  EXPECT_EQ(ErrorText("a reason", 512, Query("a.example")), "") << "without OPT there is no place for it";
  const std::string label(62, 'a');
  const Buffer longest = EdnsQuery(label + "." + label + "." + label + "." + label, 1, 512);
  EXPECT_EQ(ErrorText(std::string(500, 'x'), 316, longest).size(), 316u - longest.size() - 6u) << "cut";
}

TEST(TooLongAReply, LeavesTheAdditionalSectionOutWithoutAWord) {
  MessageBuilder builder = Response();
  Add(&builder, kAnswer, 2);
  Add(&builder, kAuthority, 2, 2);
  Add(&builder, kAdditional, 30);
  EXPECT_EQ(Reply(builder.bytes()), (Counts{2, 2, 0, false}));
  EXPECT_EQ(Reply(builder.bytes(), 4096, true), (Counts{2, 2, 1, false})) << "OPT stays";
  EXPECT_EQ(Reply(builder.bytes(), 600), (Counts{2, 2, 0, false})) << "also where the buffer has no room for all of it";
}

TEST(TooLongAReply, LeavesAnAuthoritySectionOutThatProvesNothing) {
  MessageBuilder builder = Response();
  Add(&builder, kAnswer, 2);
  Add(&builder, kAuthority, 25, 2);
  Add(&builder, kAdditional, 2);
  EXPECT_EQ(Reply(builder.bytes()), (Counts{2, 0, 0, false}));
}

TEST(TooLongAReply, SaysSoWhereAnswersDoNotFit) {
  MessageBuilder builder = Response();
  Add(&builder, kAnswer, 40);
  EXPECT_EQ(Reply(builder.bytes()), (Counts{0, 0, 0, true}));
  EXPECT_EQ(Reply(builder.bytes(), 4096, true), (Counts{0, 0, 1, true}));
}

TEST(TooLongAReply, KeepsWhatProvesADenialOrAWildcard) {
  MessageBuilder denial = Response(3);
  denial.Soa("example", 60, 60);
  Add(&denial, kAdditional, 30);
  EXPECT_EQ(Reply(denial.bytes()), (Counts{0, 1, 0, false}));
  MessageBuilder wildcard = Response();
  Add(&wildcard, kAnswer, 1);
  Buffer nsec = Name("b.example");
  nsec.resize(nsec.size() + 500);
  wildcard.Record(kAuthority, Name("a.example"), 47, 60, nsec);
  EXPECT_EQ(Reply(wildcard.bytes()), (Counts{0, 0, 0, true}));
  EXPECT_EQ(Reply(wildcard.bytes(), 544), (Counts{0, 0, 0, true})) << "also where it was not copied whole";
}

TEST(TooLongAReply, DoesNotReferWithoutTheAddressesThatAreNeeded) {
  MessageBuilder referral = Response();
  Add(&referral, kAuthority, 4, 2);
  Add(&referral, kAdditional, 30);
  EXPECT_EQ(Reply(referral.bytes()), (Counts{0, 0, 0, true}));
}

TEST(TooLongAReply, NorWhereItProvesThatTheCutIsNotSigned) {
  MessageBuilder referral = Response();
  Add(&referral, kAuthority, 4, 2);
  Buffer nsec = Name("b.example");
  nsec.resize(nsec.size() + 20);
  referral.Record(kAuthority, Name("a.example"), 47, 60, nsec);
  Add(&referral, kAdditional, 30);
  EXPECT_EQ(Reply(referral.bytes()), (Counts{0, 0, 0, true}));
}

TEST(TooLongAReply, ThatIsNoMessageAnyMoreIsCut) {
  MessageBuilder builder = Response();
  Add(&builder, kAnswer, 2);
  Add(&builder, kAdditional, 40);
  Buffer message = builder.bytes();
  Store16(&message[6], 60000);
  EXPECT_EQ(Reply(message), (Counts{0, 0, 0, true}));
}

}  // namespace
}  // namespace shardns::test
