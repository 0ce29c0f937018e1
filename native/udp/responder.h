// Decides what one query gets: a reply, a place in the miss ring, or silence. Pure: query octets and the time in,
// outcome out; it knows no socket. The UDP plane and the calls from JavaScript both answer through it.
#pragma once
#include "answers/answer_cache.h"
#include "udp/answered_by.h"

namespace shardns::udp {

enum class Verdict : uint8_t { kReply, kMiss, kDrop };

struct Response {
  Verdict verdict = Verdict::kDrop;
  wire::QueryVerdict query_verdict = wire::QueryVerdict::kDrop;
  answers::Answer answer;
  size_t length = 0;
};

// How a reply of the responder's own came about.
inline AnsweredBy ByOf(const Response& response) {
  if (response.query_verdict != wire::QueryVerdict::kAnswer && response.query_verdict != wire::QueryVerdict::kAny) {
    return AnsweredBy::kInvalid;
  }
  switch (response.answer.outcome) {
    case answers::Outcome::kHit:
      return AnsweredBy::kHit;
    case answers::Outcome::kStaleHit:
      return AnsweredBy::kStale;
    case answers::Outcome::kFailureHit:
      return AnsweredBy::kFailure;
    case answers::Outcome::kMiss:
      break;
  }
  return response.query_verdict == wire::QueryVerdict::kAny ? AnsweredBy::kLocal : AnsweredBy::kZone;
}

// One writer each; summed by whoever reports.
struct ResponderCounters {
  Counter requests;
  Counter dropped;
  Counter responses_by_rcode[24];
  Counter requests_by_type[257];  // 256: every type above 255
  Counter zone_answers[3];        // of zones, not of the cache: denials, of wildcards, referrals
};

// What of a question that is answered counts: all of it when it comes, later only what it is told. A flight that is
// looked up again on its way, to see whether it has been answered meanwhile, counts as nothing.
enum class Counting : uint8_t { kQuestion, kReply, kNothing };

struct RespondArgs {
  Ticks now;
  uint32_t tenant = 0;
  const uint32_t* tenants = nullptr;  // for a batch: one for each packet, instead of `tenant`
  // What `query` was parsed to; for a batch one for each. Null: it is parsed here.
  const wire::QueryVerdict* parsed = nullptr;
  bool udp = true;
  bool allow_stale = false;
  Counting counting = Counting::kQuestion;
  // The question is asked again, under another tag: its entry there may be chosen for a refresh as that of any hit.
  bool other_tag = false;
  // Misses are resolved: whether a name exists is found out before ANY is answered. Else it is as if all did.
  bool resolves = false;
  // Zones are served: what is for an authority (wire::IsForAuthority) is a miss. Else it is refused.
  bool authority = false;
};

class Responder {
 public:
  static constexpr size_t kBatch = 16;

  Responder(const answers::Cache* cache, store::Reader* reader)
      : cache_(cache), reader_(reader), zones_(cache->zones()), zone_reader_(zones_->published()) {}

  // `query` is filled as far as it could be read, unless it has been; it views `packet`. `out`: at least 512 +
  // kLooseSlack octets.
  Response Respond(Bytes packet, const RespondArgs& args, wire::Query* query, MutableBytes out) {
    return Respond(
        packet, args, [&] { return args.now; }, query, out);
  }
  // The same at the time that `clock()` tells; `args.now` is not looked at.
  template <typename Clock>
  Response Respond(Bytes packet, const RespondArgs& args, Clock clock, wire::Query* query, MutableBytes out);

  // The same for up to kBatch packets whose index lines are fetched from memory together.
  void RespondBatch(std::span<const Bytes> packets, const RespondArgs& args, wire::Query* queries,
                    const MutableBytes* outs, Response* responses);

  // The reply over UDP to a query counted before, from whatever the cache has, expired or not; 0 = it has nothing.
  // `by` is told what it was, where it is not null.
  size_t AnswerStale(const wire::Query& query, uint32_t tenant, Ticks now, MutableBytes out, AnsweredBy* by = nullptr) {
    answers::Answer answer;
    cache_->AnswerQuery({.query = &query, .now = now, .tenant = tenant, .allow_stale = true, .again = true}, reader_,
                        out, &answer);
    if (by != nullptr && answer.outcome == answers::Outcome::kStaleHit) *by = AnsweredBy::kStale;
    return answer.length;
  }

  // The reply to one client from a raw response that need not be in the cache; 0 when the response is unusable.
  size_t FinishResponse(const wire::Query& query, const answers::PrepareArgs& args, uint16_t extended_error, bool udp,
                        answers::PrepareScratch* scratch, MutableBytes out);
  // The same from an image, for many clients.
  size_t FinishImage(const wire::Query& query, const answers::EntryImage& image, uint16_t extended_error, bool udp,
                     MutableBytes out);

  // A reply of header and question with this rcode.
  size_t Refuse(const wire::Query& query, uint16_t rcode, wire::ErrorToTell error, bool udp, MutableBytes out);

  // Header and question with TC: the client is to come back over TCP.
  size_t Truncate(const wire::Query& query, bool udp, MutableBytes out) {
    return wire::TruncateReply(query, wire::ReplyFlags(query, wire::rcode::kNoError), Limits(udp),
                               wire::kNoExtendedError, out);
  }

  // For a question that Respond did not see.
  void CountQuestion(const wire::Query& query) {
    counters_.requests.Add();
    counters_.requests_by_type[query.type < 256 ? query.type : 256].Add();
  }
  // For a packet that is not even looked at.
  void CountDropped() { counters_.dropped.Add(); }
  // For replies that were not made by Respond: those after a miss, and refusals.
  void CountReply(const uint8_t* reply) { CountRcode(wire::Flags(reply) & wire::flag::kRcode); }
  void CountRcode(uint16_t rcode) { counters_.responses_by_rcode[rcode].Add(); }
  // A reply that Respond has counted does not go out.
  void UncountRcode(uint16_t rcode) { counters_.responses_by_rcode[rcode].Subtract(1); }

  const ResponderCounters& counters() const { return counters_; }
  const answers::Cache* cache() const { return cache_; }
  wire::ReplyLimits Limits(bool udp) const;

 private:
  // Everything but the lookup. True when the lookup is still to be done.
  bool BeforeLookup(Bytes packet, const RespondArgs& args, const wire::QueryVerdict* parsed, wire::Query* query,
                    MutableBytes out, Response* response);
  void AfterLookup(const wire::Query& query, const RespondArgs& args, uint32_t tenant, MutableBytes out,
                   Response* response);
  // Of what the cache has not: what a zone says of it without JavaScript; 0 = nothing.
  [[gnu::noinline]] size_t AnswerFromZone(const wire::Query& query, const RespondArgs& args, uint32_t tenant,
                                          MutableBytes out);
  void Count(const Response& response, const MutableBytes& out);

  const answers::Cache* cache_;
  store::Reader* reader_;
  const std::shared_ptr<zones::Zones> zones_;
  zones::Zones::Reader zone_reader_;
  ResponderCounters counters_;
};

template <typename Clock>
Response Responder::Respond(Bytes packet, const RespondArgs& args, Clock clock, wire::Query* query, MutableBytes out) {
  Response response;
  if (BeforeLookup(packet, args, args.parsed, query, out, &response)) {
    // Written where it is used: copying small fields that were stored a moment ago would wait for them.
    cache_->AnswerQuery({.query = query,
                         .now = 0,
                         .tenant = args.tenant,
                         .udp = args.udp,
                         .allow_stale = args.allow_stale,
                         .again = args.counting != Counting::kQuestion,
                         .refreshes = args.other_tag},
                        clock, reader_, out, &response.answer);
    AfterLookup(*query, args, args.tenant, out, &response);
  }
  if (args.counting == Counting::kQuestion) [[likely]]
    CountQuestion(*query);
  if (args.counting != Counting::kNothing) [[likely]]
    Count(response, out);
  return response;
}

}  // namespace shardns::udp
