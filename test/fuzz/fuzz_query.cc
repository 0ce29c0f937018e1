// Any octets as a client's query: a bounded reply that carries the query's id, a miss, or silence; and what is read
// fast is what is read with care.
#include "cache_fixture_plain.h"

using namespace shardns;

namespace {

void CheckFastReaders(Bytes packet) {
  wire::Query fast, careful;
  const bool plain = wire::ParsePlainQuery(packet, &fast);
  if (!plain && !wire::ParseCookieQuery(packet, &fast)) return;
  SHARDNS_CHECK(wire::ParseAnyQuery(packet, &careful) == wire::QueryVerdict::kAnswer);
  SHARDNS_CHECK(fast.id == careful.id && fast.flags == careful.flags && fast.type == careful.type);
  SHARDNS_CHECK(fast.question_end == careful.question_end && fast.name_length == careful.name_length);
  SHARDNS_CHECK(fast.edns.present == careful.edns.present && fast.edns.dnssec_ok == careful.edns.dnssec_ok);
  SHARDNS_CHECK(fast.edns.cookie == careful.edns.cookie);
  if (fast.edns.cookie != nullptr) {
    SHARDNS_CHECK(fast.edns.cookie_bytes().size() == careful.edns.cookie_bytes().size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::PlainCache t;
  static bool filled = [] {
    t.Insert(test::AResponse("a", 300, {1, 2, 3}));
    t.Insert(test::AResponse("www.example.com"));
    t.Insert(test::NxDomain("no.example", "example"));
    return true;
  }();
  (void)filled;
  CheckFastReaders({data, size});
  for (const bool udp : {true, false}) {
    wire::Query query;
    const udp::Response response = t.responder.Respond({data, size}, {.now = 16200, .udp = udp}, &query, t.reply);
    if (response.verdict != udp::Verdict::kReply) continue;
    SHARDNS_CHECK(response.length >= wire::kHeaderSize && response.length <= (udp ? 4096u : 65535u));
    SHARDNS_CHECK(wire::Id(t.reply.data()) == wire::Id(data));
    SHARDNS_CHECK((wire::Flags(t.reply.data()) & wire::flag::kQr) != 0);
    if (udp) SHARDNS_CHECK(response.length <= wire::ReplyLimit(query, {}));
  }
  return 0;
}
