// Verdict to reply.
#include "udp/responder.h"

#include <algorithm>

#include "gate/edge.h"

namespace shardns::udp {

using wire::QueryVerdict;

wire::ReplyLimits Responder::Limits(bool udp) const {
  return {.udp = udp, .udp_size = static_cast<uint16_t>(cache_->tunables().udp_size.load(std::memory_order_relaxed))};
}

size_t Responder::Refuse(const wire::Query& query, uint16_t rcode, wire::ErrorToTell error, bool udp,
                         MutableBytes out) {
  return wire::WriteErrorReply(query, rcode, Limits(udp), error, out);
}

size_t Responder::FinishImage(const wire::Query& query, const answers::EntryImage& image, uint16_t extended_error,
                              bool udp, MutableBytes out) {
  // The question decides where the image's records begin: it must be the query's own.
  const size_t name = wire::PlainNameLength(image.message, wire::kHeaderSize);
  if (name == 0 || name != query.name_length) return 0;
  // More than a buffer holds is answered with TC, of which the header is all that matters.
  std::memcpy(out.data(), image.message.data(), std::min(image.message.size(), out.size() - store::kLooseSlack));
  wire::Patch patch{.extended_error = extended_error};
  wire::ClientSubnet echoed = query.edns.subnet;
  if (echoed.family != 0 && cache_->tunables().Is(answers::mode::kClientSubnet)) {
    echoed.scope_prefix = std::min(image.subnet_scope, echoed.source_prefix);
    patch.subnet = &echoed;
  }
  return wire::FinishReply(query, image.message.size(), patch, Limits(udp), out);
}

size_t Responder::FinishResponse(const wire::Query& query, const answers::PrepareArgs& args, uint16_t extended_error,
                                 bool udp, answers::PrepareScratch* scratch, MutableBytes out) {
  answers::EntryImage image;
  if (!answers::Sendable(answers::Prepare(args, scratch, &image))) return 0;
  return FinishImage(query, image, extended_error, udp, out);
}

bool Responder::BeforeLookup(Bytes packet, const RespondArgs& args, const QueryVerdict* parsed, wire::Query* query,
                             MutableBytes out, Response* response) {
  const QueryVerdict verdict = parsed == nullptr ? wire::ParseQuery(packet, query) : *parsed;
  response->query_verdict = verdict;
  const bool is_expire = args.authority && query->edns.wants_expire && query->type == wire::type::kSoa;
  if ((verdict == QueryVerdict::kAnswer || verdict == QueryVerdict::kAny) && !is_expire) [[likely]]
    return true;
  response->answer = {};
  response->length = 0;
  if (verdict == QueryVerdict::kAnswer) {
    response->query_verdict = QueryVerdict::kExpire;
    response->verdict = Verdict::kMiss;
    return false;
  }
  const auto reply = [&](uint16_t rcode) {
    response->verdict = Verdict::kReply;
    response->length = Refuse(*query, rcode, wire::kNoExtendedError, args.udp, out);
  };
  switch (verdict) {
    case QueryVerdict::kAnswer:
    case QueryVerdict::kAny:
    case QueryVerdict::kExpire:
      break;
    case QueryVerdict::kDrop:
      response->verdict = Verdict::kDrop;
      break;
    case QueryVerdict::kFormErr:
    case QueryVerdict::kFormErrEdns:
      reply(wire::rcode::kFormErr);
      break;
    case QueryVerdict::kNotImp:
      reply(wire::rcode::kNotImp);
      break;
    case QueryVerdict::kBadVersion:
      reply(wire::rcode::kBadVers);
      break;
    case QueryVerdict::kRefused:
      reply(wire::rcode::kRefused);
      break;
    case QueryVerdict::kTransfer:
    case QueryVerdict::kNotify:
    case QueryVerdict::kUpdate:
    case QueryVerdict::kSigned:
      if (args.authority) {
        response->verdict = Verdict::kMiss;
      } else {
        // RFC 8945 section 5.2.1: no key of the sender's is known.
        reply(verdict == QueryVerdict::kTransfer ? wire::rcode::kRefused : wire::rcode::kNotAuth);
      }
      break;
    case QueryVerdict::kOtherClass:
      response->verdict = Verdict::kMiss;
      break;
    case QueryVerdict::kNoQuestion:
      // Without cookies there is nothing to answer, and no question is one too few.
      if (query->edns.CookieToWrite() == nullptr) query->edns = wire::Edns{};
      reply(query->edns.present ? wire::rcode::kNoError : wire::rcode::kFormErr);
      break;
  }
  return false;
}

void Responder::AfterLookup(const wire::Query& query, const RespondArgs& args, uint32_t tenant, MutableBytes out,
                            Response* response) {
  response->verdict = response->answer.outcome == answers::Outcome::kMiss ? Verdict::kMiss : Verdict::kReply;
  response->length = response->answer.length;
  if (response->verdict == Verdict::kMiss && response->query_verdict == QueryVerdict::kAnswer) {
    if (const size_t length = AnswerFromZone(query, args, tenant, out); length != 0) {
      response->verdict = Verdict::kReply;
      response->length = length;
      return;
    }
  }
  if (response->verdict == Verdict::kMiss && response->query_verdict == QueryVerdict::kAny && !args.resolves)
      [[unlikely]] {
    response->verdict = Verdict::kReply;
    response->length = wire::WriteAnyReply(query, Limits(args.udp), out);
  }
}

size_t Responder::AnswerFromZone(const wire::Query& query, const RespondArgs& args, uint32_t tenant, MutableBytes out) {
  // Behind a list's alias stand others' answers.
  if (tenant >= gate::kAliasTag) return 0;
  const auto zones = zone_reader_.Take();
  if (!zones) return 0;
  const zones::Reply reply = zones->Answer(query, tenant, out);
  if (reply.told == zones::Told::kNothing) return 0;
  counters_.zone_answers[static_cast<size_t>(reply.told) - 1].Add();
  wire::Patch patch;
  wire::ClientSubnet echoed = query.edns.subnet;
  if (echoed.family != 0 && cache_->tunables().Is(answers::mode::kClientSubnet)) {
    echoed.scope_prefix = 0;  // it is everybody's (RFC 7871 section 7.2.1)
    patch.subnet = &echoed;
  }
  if (reply.told == zones::Told::kWildcard && cache_->tunables().Is(answers::mode::kRotate)) {
    patch.rotation = reader_->Random() >> 8;
  }
  return wire::FinishReply(query, reply.length, patch, Limits(args.udp), out);
}

void Responder::Count(const Response& response, const MutableBytes& out) {
  if (response.verdict == Verdict::kDrop) {
    counters_.dropped.Add();
  } else if (response.verdict == Verdict::kReply) {
    const uint16_t rcode = response.query_verdict == QueryVerdict::kBadVersion
                               ? wire::rcode::kBadVers
                               : static_cast<uint16_t>(wire::Flags(out.data()) & wire::flag::kRcode);
    counters_.responses_by_rcode[rcode].Add();
  }
}

void Responder::RespondBatch(std::span<const Bytes> packets, const RespondArgs& args, wire::Query* queries,
                             const MutableBytes* outs, Response* responses) {
  SHARDNS_CHECK(packets.size() <= kBatch);
  const auto tenant_of = [&](size_t i) { return args.tenants == nullptr ? args.tenant : args.tenants[i]; };
  answers::Cache::Lookup lookups[kBatch];
  uint32_t to_look_up = 0, elsewhere = 0;
  answers::AnswerArgs one = {.query = nullptr, .now = args.now, .udp = args.udp, .allow_stale = args.allow_stale};
  const bool by_subnet = cache_->tunables().Is(answers::mode::kClientSubnet);
  const auto begin = [&](size_t i) {
    const QueryVerdict* const parsed = args.parsed == nullptr ? nullptr : args.parsed + i;
    if (!BeforeLookup(packets[i], args, parsed, &queries[i], outs[i], &responses[i])) return;
    to_look_up |= 1u << i;
    cache_->Begin(queries[i], tenant_of(i), &lookups[i]);
  };
  const auto locate = [&](size_t i) {
    if ((to_look_up >> i & 1) != 0 && !cache_->LocateFirst(&lookups[i])) elsewhere |= 1u << i;
  };
  const auto locate_elsewhere = [&](size_t i) {
    if ((elsewhere >> i & 1) != 0) [[unlikely]]
      cache_->LocateSecond(&lookups[i]);
  };
  const auto answer = [&](size_t i) {
    if ((to_look_up >> i & 1) == 0) [[unlikely]]
      return;
    one.query = &queries[i];
    one.tenant = tenant_of(i);
    Response& response = responses[i];
    if (by_subnet && queries[i].edns.subnet.family != 0) [[unlikely]] {
      cache_->AnswerQuery(one, reader_, outs[i], &response.answer);
    } else {
      cache_->AnswerLookup(one, lookups[i], reader_, outs[i], &response.answer);
    }
    AfterLookup(queries[i], args, tenant_of(i), outs[i], &response);
  };
  // Each query is some steps ahead of its next stage: what that reads has come from memory by then, and memory is asked
  // all the time, not for everything at once. (Below 0 is beyond `count`, too.)
  constexpr size_t kFirst = 6, kSecond = kFirst + 1, kAnswer = kSecond + 5;
  const size_t count = packets.size();
  for (size_t step = 0; step < count + kAnswer; ++step) {
    if (step < count) begin(step);
    if (step - kFirst < count) locate(step - kFirst);
    if (step - kSecond < count) locate_elsewhere(step - kSecond);
    if (step - kAnswer < count) answer(step - kAnswer);
  }
  for (size_t i = 0; i < packets.size(); ++i) {
    CountQuestion(queries[i]);
    Count(responses[i], outs[i]);
  }
}

}  // namespace shardns::udp
