// How long HTTP may keep a reply, and padding.
#include "wire/reply_survey.h"

#include <gtest/gtest.h>

#include "message_builder.h"
#include "wire/header.h"

namespace shardns::test {
namespace {

constexpr uint16_t kReply = 0x8180;
MessageBuilder Reply(uint16_t rcode = 0) {
  MessageBuilder reply(0, kReply | rcode);
  reply.Question("a.b", 1);
  return reply;
}
uint32_t Fresh(const Buffer& reply) { return wire::SurveyReply(reply).fresh_seconds; }

TEST(ReplySurvey, KeepsAnAnswerForItsLeastTtl) {
  EXPECT_EQ(Fresh(Reply().Answer("a.b", 1, 300, {1, 2, 3, 4}).Answer("a.b", 1, 60, {1, 2, 3, 5}).bytes()), 60u);
  EXPECT_EQ(Fresh(Reply().Answer("a.b", 1, 0, {1, 2, 3, 4}).bytes()), 0u);
  EXPECT_EQ(Fresh(Reply().Answer("a.b", 1, 0x80000000, {1, 2, 3, 4}).bytes()), 0u);
}

TEST(ReplySurvey, KeepsADenialAsLongAsItsSoaSays) {
  EXPECT_EQ(Fresh(Reply(3).Soa("b", 300, 40).bytes()), 40u);
  EXPECT_EQ(Fresh(Reply().Soa("b", 30, 40).bytes()), 30u);
  EXPECT_EQ(Fresh(Reply().Answer("a.b", 5, 20, Name("c.b")).Soa("b", 300, 40).bytes()), 20u);
  EXPECT_EQ(Fresh(Reply(3).bytes()), 0u);
}

TEST(ReplySurvey, KeepsNoFailureAndNothingThatIsCutOff) {
  for (const uint16_t rcode : {1, 2, 5}) EXPECT_EQ(Fresh(Reply(rcode).Answer("a.b", 1, 300, {1, 2, 3, 4}).bytes()), 0u);
  Buffer truncated = Reply().Answer("a.b", 1, 300, {1, 2, 3, 4}).bytes();
  for (size_t length = 0; length < truncated.size(); ++length)
    EXPECT_EQ(Fresh(Buffer(truncated.begin(), truncated.begin() + static_cast<long>(length))), 0u);
  truncated[2] |= 0x02;
  EXPECT_EQ(Fresh(truncated), 0u);
}

TEST(PadReply, FillsABlockWhereThereIsAnOpt) {
  Buffer reply = Reply().Answer("a.b", 1, 300, {1, 2, 3, 4}).Opt(1232).bytes();
  const size_t length = reply.size();
  const wire::ReplySurvey survey = wire::SurveyReply(reply);
  EXPECT_EQ(survey.opt, length - 11);
  reply.resize(1000, 0xEE);
  ASSERT_EQ(wire::PadReply(reply, length, survey.opt), wire::kReplyBlock);
  EXPECT_EQ(Load16(reply.data() + survey.opt + 9), wire::kReplyBlock - length);
  EXPECT_EQ(Load16(reply.data() + length), 12);
  EXPECT_EQ(Load16(reply.data() + length + 2), wire::kReplyBlock - length - 4);
  EXPECT_EQ(wire::SurveyReply(Bytes(reply).first(wire::kReplyBlock)).opt, survey.opt);
  // A reply that is a block but for an option without content, and one that is longer.
  for (const size_t own : {size_t{464}, size_t{465}, size_t{468}}) {
    Buffer one = reply;
    const size_t padded = wire::PadReply(one, own, survey.opt);
    EXPECT_EQ(padded, own == 464 ? 468u : 936u);
  }
  EXPECT_EQ(wire::PadReply(MutableBytes(reply).first(400), length, survey.opt), length);
  EXPECT_EQ(wire::PadReply(reply, length, 0), length);
}

}  // namespace
}  // namespace shardns::test
