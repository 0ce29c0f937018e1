// A cache on a fake clock, with the calls that tests make most.
#pragma once
#include <gtest/gtest.h>

#include "all_policies.h"
#include "answers/answer_cache.h"
#include "message_builder.h"
#include "udp/responder.h"

namespace shardns::test {

inline constexpr size_t kRoom = 65535 + store::kLooseSlack;

class TestCache {
 public:
  explicit TestCache(store::RegionOptions options = {.bytes = size_t{4} << 20, .shards = 1, .seed = 7})
      : cache(answers::Cache::Create(options)),
        responder(cache.get(), cache->NewReader()),
        scratch(new answers::PrepareScratch),
        reply(kRoom) {}

  Status Insert(const Buffer& response, answers::Variant variant = {}) {
    answers::EntryImage image;
    const answers::Inherited inherited = {.remaining_ticks = lifetime, .age_ticks = 0};
    return cache->Insert({.prepare = {.response = response,
                                      .wall_seconds = wall,
                                      .ttl = ttl,
                                      .authoritative = authoritative,
                                      .ad_unknown = ad_unknown,
                                      .of_zone = of_zone},
                          .variant = variant,
                          .now = Now(),
                          .inherited = lifetime == 0 ? nullptr : &inherited},
                         scratch.get(), &image);
  }
  udp::Response Ask(const Buffer& query, bool udp = true, bool allow_stale = false, uint32_t tenant = 0) {
    wire::Query parsed;
    const udp::Response response = responder.Respond(
        query, {.now = Now(), .tenant = tenant, .udp = udp, .allow_stale = allow_stale}, &parsed, reply);
    answer.assign(reply.begin(), reply.begin() + static_cast<long>(response.length));
    return response;
  }
  bool Hits(const Buffer& query) { return Ask(query).verdict == udp::Verdict::kReply; }
  Ticks Now() const { return TicksFromSeconds(now) + ticks; }
  uint16_t Rcode() const { return wire::Flags(answer.data()) & 15; }
  // TTL of the first answer record behind a compressed owner.
  uint32_t FirstTtl(std::string_view qname) const { return Load32(&answer[12 + Name(qname).size() + 4 + 6]); }

  std::unique_ptr<answers::Cache> cache;
  udp::Responder responder;
  std::unique_ptr<answers::PrepareScratch> scratch;
  Buffer reply;
  Buffer answer;
  uint32_t now = 1000;
  Ticks ticks = 0;       // beside `now`
  int32_t lifetime = 0;  // of what answers are made of; 0 = they are made of nothing
  uint32_t wall = 0;
  bool authoritative = false;
  bool ad_unknown = false;
  bool of_zone = false;
  answers::TtlPolicy ttl;
};

}  // namespace shardns::test
