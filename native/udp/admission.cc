// Verdicts of the edge to replies.
#include "udp/admission.h"

#include <charconv>

namespace shardns::udp {

using gate::EdgeAction;

namespace {

constexpr uint8_t kZeroRecords[] = {0, 1,  255, 255, 255, 255, 0, 4,  0, 0, 0, 0,  //
                                    0, 28, 255, 255, 255, 255, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

// "list NAME, line N"; a name has at most 64 octets.
std::string_view Reason(const std::string& list, uint32_t line, char (&text)[wire::kMaxErrorText]) {
  char* at = text;
  const auto put = [&](std::string_view what) {
    const size_t size = std::min<size_t>(what.size(), static_cast<size_t>(std::end(text) - at));
    std::memcpy(at, what.data(), size);
    at += size;
  };
  put("list ");
  put(std::string_view(list).substr(0, 64));
  put(", line ");
  at = std::to_chars(at, std::end(text), line).ptr;
  return {text, static_cast<size_t>(at - text)};
}

}  // namespace

size_t Admission::Write(EdgeAction action, const wire::Query& query, bool udp, MutableBytes out) {
  switch (action) {
    case EdgeAction::kAllow:
    case EdgeAction::kDrop:
    case EdgeAction::kBlocked:
      return 0;
    case EdgeAction::kRefuse:
      return responder_->Refuse(query, wire::rcode::kRefused, wire::ede::kProhibited, udp, out);
    case EdgeAction::kTruncate:
      return responder_->Truncate(query, udp, out);
    case EdgeAction::kFormErr:
      return responder_->Refuse(query, wire::rcode::kFormErr, wire::kNoExtendedError, udp, out);
    case EdgeAction::kBadCookie:
      return responder_->Refuse(query, wire::rcode::kBadCookie, wire::kNoExtendedError, udp, out);
  }
  return 0;
}

size_t Admission::WriteBlocked(const gate::Edge& edge, const gate::EdgeVerdict& verdict, const wire::Query& query,
                               bool udp, MutableBytes out) {
  const gate::BlockedSays& says = edge.blocked();
  const gate::NameMatch& match = *verdict.match;
  const size_t list = match.policy.list;
  wire::BlockedReply reply = {.ttl_seconds = says.ttl_seconds, .extended_error = wire::ede::kBlocked};
  char text[wire::kMaxErrorText];
  if (!verdict.by_override) {
    if (list < says.errors.size()) reply.extended_error = says.errors[list];
    if (list < says.names.size()) reply.error_text = Reason(says.names[list], match.line, text);
  }
  switch (match.policy.action) {
    case gate::ListAction::kNxDomain:
      reply.rcode = wire::rcode::kNxDomain;
      break;
    case gate::ListAction::kRefuse:
      reply.rcode = wire::rcode::kRefused;
      break;
    case gate::ListAction::kZero:
      reply.records = kZeroRecords;
      break;
    case gate::ListAction::kData:
      reply.records = says.RecordsOf(match.policy.data);
      break;
    default:
      break;
  }
  return wire::WriteBlockedReply(query, reply, responder_->Limits(udp), out);
}

Admission::Said Admission::Judge(const gate::Edge& edge, const Client& client, wire::QueryVerdict parsed,
                                 wire::Query* query, Admitted* admitted, MutableBytes out, size_t* length) {
  gate::EdgeQuery asked = QueryOf(client, *query);
  if (parsed == wire::QueryVerdict::kAnswer || parsed == wire::QueryVerdict::kAny) asked.name = query->name();
  admitted->verdict = edge.Judge(admitted->client, asked, counts_.get());
  if (edge.MakeCookie(asked, admitted->verdict.cookie, admitted->cookie)) query->edns.reply_cookie = admitted->cookie;
  if (query->edns.wants_nsid) query->edns.reply_nsid = edge.nsid();
  const EdgeAction action = admitted->verdict.action;
  if (action == EdgeAction::kAllow) [[likely]]
    return Said::kGoOn;
  *length = action == EdgeAction::kBlocked ? WriteBlocked(edge, admitted->verdict, *query, client.udp, out)
                                           : Write(action, *query, client.udp, out);
  if (*length == 0) {
    responder_->CountDropped();
    return Said::kNothing;
  }
  responder_->CountQuestion(*query);
  if (action == EdgeAction::kBadCookie) {
    responder_->CountRcode(wire::rcode::kBadCookie);
  } else {
    responder_->CountReply(out.data());
  }
  return Said::kReply;
}

void Admission::Renew(const gate::Edge& edge, const Client& client, wire::Query* query, Admitted* admitted) {
  const gate::EdgeQuery asked = QueryOf(client, *query);
  admitted->verdict.cookie = edge.CookieOf(asked);
  if (edge.MakeCookie(asked, admitted->verdict.cookie, admitted->cookie)) query->edns.reply_cookie = admitted->cookie;
  if (query->edns.wants_nsid) query->edns.reply_nsid = edge.nsid();
}

size_t Admission::Reply(const gate::Edge& edge, const Client& client, const Admitted& admitted,
                        const wire::Query& query, MutableBytes out, size_t length) {
  const uint16_t rcode = wire::Flags(out.data()) & wire::flag::kRcode;
  if (rcode == wire::rcode::kNoError || !edge.limits()) [[likely]]
    return length;
  const gate::RateKind kind = rcode == wire::rcode::kNxDomain ? gate::RateKind::kNxDomain : gate::RateKind::kError;
  const EdgeAction action =
      edge.JudgeOutcome(admitted.client, QueryOf(client, query), admitted.verdict, kind, counts_.get());
  return action == EdgeAction::kAllow ? length : Write(action, query, client.udp, out);
}

size_t Admission::ReplyCounted(const gate::Edge& edge, const Client& client, const Admitted& admitted,
                               const wire::Query& query, MutableBytes out, size_t length) {
  const uint16_t rcode = wire::Flags(out.data()) & wire::flag::kRcode;
  if (rcode == wire::rcode::kNoError || !edge.limits()) [[likely]]
    return length;
  responder_->UncountReply(out.data());
  length = Reply(edge, client, admitted, query, out, length);
  if (length == 0) {
    responder_->CountDropped();
  } else {
    responder_->CountReply(out.data());
  }
  return length;
}

Admission::Said Admission::Miss(const gate::Edge& edge, const Client& client, const Admitted& admitted,
                                const wire::Query& query, MutableBytes out, size_t* length) {
  if (!edge.limits()) return Said::kGoOn;
  const EdgeAction action = edge.JudgeOutcome(admitted.client, QueryOf(client, query), admitted.verdict,
                                              gate::RateKind::kMiss, counts_.get());
  if (action == EdgeAction::kAllow) return Said::kGoOn;
  *length = Write(action, query, client.udp, out);
  if (*length == 0) {
    responder_->CountDropped();
    return Said::kNothing;
  }
  responder_->CountReply(out.data());
  return Said::kReply;
}

}  // namespace shardns::udp
