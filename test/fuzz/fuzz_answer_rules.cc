// Any octets as a reply that lists judge, and what is put in its place: no crash, nothing read outside of it, what is
// kept is a whole part of it, and the reply that is written can be walked to its end.
#include "gate/answer_rules.h"
#include "gate/list_compiler.h"
#include "wire/reply_patch.h"
#include "wire/ttl_scan.h"

using namespace shardns;
using namespace shardns::gate;

namespace {

std::unique_ptr<const Lists> Zone() {
  ListCompiler compiler(1, {});
  compiler.Begin({.format = ListFormat::kZone, .list = 0, .tiers = {0, 0, 0, 0}});
  const std::string_view text =
      "@ SOA a. b. 1 2 3 4 5\n*.a CNAME .\nb A 192.0.2.1\n8.0.0.0.10.rpz-ip CNAME *.\n1.zz.rpz-ip CNAME rpz-drop.\n";
  compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  compiler.EndText();
  compiler.End();
  return std::move(compiler).Build();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<const Lists> kLists = Zone();
  if (size < 1 || size > wire::kMaxMessageSize) return 0;
  const bool udp = (data[0] & 1) != 0;
  const std::vector<uint8_t> reply(data + 1, data + size);
  wire::Query query;
  if (reply.size() < wire::kHeaderSize) return 0;
  // The question of a reply is that of the query.
  const size_t name = wire::PlainNameLength(reply, wire::kHeaderSize);
  if (name == 0 || reply.size() < wire::kHeaderSize + name + 4) return 0;
  const size_t question_end = wire::kHeaderSize + name + 4;
  std::vector<uint8_t> packet(reply.begin(), reply.begin() + static_cast<long>(question_end));
  std::memset(packet.data() + 2, 0, 10);
  packet[5] = 1;
  if (wire::ParseQuery(packet, &query) != wire::QueryVerdict::kAnswer) return 0;
  const AnswerRules rules = {.lists = kLists.get(), .set = 1};
  const auto found = AnswerSearch(rules, reply, question_end).Find();
  if (!found) return 0;
  SHARDNS_CHECK(found->end >= question_end && found->end <= reply.size());
  SHARDNS_CHECK(found->records == 0 || found->owner < found->end);
  std::vector<uint8_t> out(reply);
  out.resize(wire::kMaxMessageSize + wire::kReplySlack);
  const uint8_t records[] = {0, 1, 255, 255, 255, 255, 0, 4, 192, 0, 2, 1};
  const wire::BlockedReply says = {.ttl_seconds = 10,
                                   .records = records,
                                   .kept_end = found->end,
                                   .kept_records = found->records,
                                   .owner = found->owner};
  const size_t length = wire::WriteBlockedReply(query, says, {.udp = udp}, out);
  SHARDNS_CHECK(length >= wire::kHeaderSize && length <= wire::kMaxMessageSize);
  SHARDNS_CHECK(!udp || length <= wire::kPlainUdpSize);
  wire::RecordWalk walk = wire::RecordWalk::Stored(Bytes(out).first(length), question_end);
  wire::Record record;
  while (walk.Next(&record)) {
  }
  SHARDNS_CHECK(walk.ok() && walk.at() == length);
  return 0;
}
