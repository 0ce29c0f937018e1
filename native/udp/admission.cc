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

size_t Admission::WriteBlocked(const gate::Edge& edge, const gate::AnswerMatch& found, const wire::Query& query,
                               bool udp, MutableBytes out) {
  const gate::BlockedSays& says = edge.blocked();
  const gate::NameMatch& match = found.match;
  const size_t list = match.policy.list;
  wire::BlockedReply reply = {.ttl_seconds = says.ttl_seconds,
                              .extended_error = wire::ede::kBlocked,
                              .kept_end = found.end,
                              .kept_records = found.records,
                              .owner = found.owner};
  char text[wire::kMaxErrorText];
  if (!found.by_override) {
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
  const gate::EdgeVerdict& verdict = admitted->verdict;
  const EdgeAction action = verdict.action;
  admitted->again = 0;
  admitted->replaced = Admitted::Replaced::kNo;
  if (action == EdgeAction::kAllow) [[likely]] {
    if (verdict.match && !verdict.pending) [[unlikely]] {
      const uint32_t tag = edge.AliasOf(admitted->client, *verdict.match, verdict.by_override);
      if (tag != 0) admitted->client.tag = tag;
    }
    return Said::kGoOn;
  }
  if (action == EdgeAction::kBlocked) {
    const gate::AnswerMatch found = {
        .match = *verdict.match, .by_override = verdict.by_override, .end = query->question_end};
    *length = WriteBlocked(edge, found, *query, client.udp, out);
  } else {
    *length = Write(action, *query, client.udp, out);
  }
  admitted->replaced = verdict.match ? Admitted::Replaced::kByList : Admitted::Replaced::kByRate;
  if (*length == 0) {
    admitted->limited = !verdict.match;
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

void Admission::Renew(const gate::Edge& edge, const Client& client, uint32_t tag, wire::Query* query,
                      Admitted* admitted) {
  gate::EdgeQuery asked = QueryOf(client, *query);
  gate::EdgeVerdict& verdict = admitted->verdict;
  admitted->replaced = Admitted::Replaced::kNo;
  verdict.cookie = edge.CookieOf(asked);
  if (gate::IsAliasTag(tag)) {
    admitted->client.tag = tag;
  } else if (edge.JudgesAnswers() && query->name_length != 0 && query->dns_class == wire::kClassIn) {
    asked.name = query->name();
    edge.AskLists(admitted->client, asked, &verdict);
    // Where a list has it now that had not when it came, its rule decides with those of the answer.
    if (verdict.action != EdgeAction::kAllow) verdict.pending = true;
    verdict.action = EdgeAction::kAllow;
  }
  if (edge.MakeCookie(asked, admitted->verdict.cookie, admitted->cookie)) query->edns.reply_cookie = admitted->cookie;
  if (query->edns.wants_nsid) query->edns.reply_nsid = edge.nsid();
}

// What is known here of one's own names (AA) is not judged, nor what stands behind an alias of a list.
bool Admission::JudgeAnswer(const gate::Edge& edge, const Client& client, Admitted* admitted, const wire::Query& query,
                            MutableBytes out, size_t* length) {
  const uint16_t flags = wire::Flags(out.data()), rcode = flags & wire::flag::kRcode;
  const bool answers = rcode == wire::rcode::kNoError || rcode == wire::rcode::kNxDomain;
  if ((flags & wire::flag::kAa) != 0 || query.dns_class != wire::kClassIn || gate::IsAliasTag(admitted->client.tag)) {
    return false;
  }
  gate::EdgeVerdict& verdict = admitted->verdict;
  const bool empty = !answers || wire::AnCount(out.data()) == 0;
  const bool servers = answers && edge.JudgesServers();
  if (empty && !verdict.pending && !servers) return false;
  if (!verdict.pending && edge.IsPlain(query.type, out.first(*length), query.question_end)) [[likely]]
    return false;
  std::optional<gate::AnswerMatch> found;
  if (empty && !servers) {
    found = {.match = *verdict.match, .by_override = verdict.by_override, .end = query.question_end};
  } else {
    found = edge.JudgeAnswer(admitted->client, verdict, out.first(*length), query.question_end);
  }
  if (!found) return false;
  const gate::ListAction action = found->match.policy.action;
  (found->by_override ? counts_->by_override : counts_->by_list[found->match.policy.list]).Add();
  if (action == gate::ListAction::kPass || (action == gate::ListAction::kTruncate && !client.udp)) return false;
  admitted->again = edge.AliasOf(admitted->client, *found);
  if (admitted->again != 0) {
    *length = 0;
    return true;
  }
  // It was counted as allowed.
  const EdgeAction says = action == gate::ListAction::kDrop       ? EdgeAction::kDrop
                          : action == gate::ListAction::kTruncate ? EdgeAction::kTruncate
                                                                  : EdgeAction::kBlocked;
  counts_->actions[static_cast<size_t>(EdgeAction::kAllow)].Subtract(1);
  counts_->actions[static_cast<size_t>(says)].Add();
  *length = says == EdgeAction::kBlocked ? WriteBlocked(edge, *found, query, client.udp, out)
                                         : Write(says, query, client.udp, out);
  return true;
}

size_t Admission::Reply(const gate::Edge& edge, const Client& client, Admitted* admitted, const wire::Query& query,
                        MutableBytes out, size_t length) {
  // What a list says instead is no answer of the world's that rates would count.
  if (edge.JudgesAnswers() && JudgeAnswer(edge, client, admitted, query, out, &length)) {
    admitted->replaced = Admitted::Replaced::kByList;
    return length;
  }
  const uint16_t rcode = wire::Flags(out.data()) & wire::flag::kRcode;
  if (rcode == wire::rcode::kNoError || !edge.limits()) [[likely]]
    return length;
  const gate::RateKind kind = rcode == wire::rcode::kNxDomain ? gate::RateKind::kNxDomain : gate::RateKind::kError;
  const EdgeAction action =
      edge.JudgeOutcome(admitted->client, QueryOf(client, query), admitted->verdict, kind, counts_.get());
  admitted->limited = action != EdgeAction::kAllow;
  if (admitted->limited) admitted->replaced = Admitted::Replaced::kByRate;
  return action == EdgeAction::kAllow ? length : Write(action, query, client.udp, out);
}

size_t Admission::ReplyCounted(const gate::Edge& edge, const Client& client, Admitted* admitted,
                               const wire::Query& query, MutableBytes out, size_t length) {
  const uint16_t rcode = wire::Flags(out.data()) & wire::flag::kRcode;
  const bool limited = rcode != wire::rcode::kNoError && edge.limits();
  if (!limited && !edge.JudgesAnswers()) [[likely]]
    return length;
  length = Reply(edge, client, admitted, query, out, length);
  if (length != 0 && (wire::Flags(out.data()) & wire::flag::kRcode) == rcode) [[likely]]
    return length;
  responder_->UncountRcode(rcode);
  if (length != 0) {
    responder_->CountReply(out.data());
  } else if (admitted->again == 0) {
    responder_->CountDropped();
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
