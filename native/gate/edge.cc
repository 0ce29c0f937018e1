// Cookie, rate, lists.
#include "gate/edge.h"

namespace shardns::gate {

namespace {

EdgeAction ActionOf(RateVerdict verdict, bool tcp) {
  switch (verdict) {
    case RateVerdict::kAllow:
      return EdgeAction::kAllow;
    case RateVerdict::kDrop:
      return EdgeAction::kDrop;
    case RateVerdict::kRefuse:
      return EdgeAction::kRefuse;
    case RateVerdict::kTruncate:
      break;
  }
  // Over TCP there is nothing to come back by.
  return tcp ? EdgeAction::kRefuse : EdgeAction::kTruncate;
}

}  // namespace

Edge::Edge(EdgeRules rules) : rules_(std::move(rules)), classes_(rules_.classes) {
  SHARDNS_CHECK(rules_.classes.empty() || rules_.rates != nullptr);
  SHARDNS_CHECK(rules_.proven.size() == rules_.classes.size());
  for (const uint8_t proven : rules_.proven) SHARDNS_CHECK(proven < rules_.classes.size());
}

RateResult Edge::Rate(const Judgement& client, const EdgeQuery& query, CookieState cookie, RateKind kind,
                      EdgeCounts* counts) const {
  if (client.rate_class >= rules_.classes.size()) return {};
  const bool proven = query.tcp || ProvesAddress(cookie);
  const ClientAddress address = ClientAddress::Of(query.address);
  return rules_.rates->Judge(classes_, {.client = address,
                                        .rate_class = proven ? rules_.proven[client.rate_class] : client.rate_class,
                                        .kind = kind,
                                        .now_us = query.now_us,
                                        .turn = &counts->turn});
}

void Edge::AskLists(const Judgement& client, const EdgeQuery& query, EdgeVerdict* verdict) const {
  if (query.name.empty()) return;
  verdict->match = std::nullopt;
  verdict->by_override = verdict->pending = false;
  if (rules_.overrides != nullptr) {
    verdict->match = rules_.overrides->Find(query.name, query.address, UINT64_MAX);
    verdict->by_override = verdict->match.has_value();
  }
  if (!verdict->match && rules_.lists != nullptr) {
    const uint64_t lists = ListsOf(client);
    verdict->match = rules_.lists->Find(query.name, query.address, lists);
    verdict->pending = verdict->match && rules_.lists->MayPrecede(verdict->match->policy.tier, lists);
  }
  if (!verdict->match || verdict->pending) return;
  switch (verdict->match->policy.action) {
    case ListAction::kPass:
      return;
    case ListAction::kDrop:
      verdict->action = EdgeAction::kDrop;
      return;
    case ListAction::kTruncate:
      if (!query.tcp) verdict->action = EdgeAction::kTruncate;
      return;
    default:
      if (AliasOf(client, *verdict->match, verdict->by_override) == 0) {
        verdict->action = EdgeAction::kBlocked;
      }
  }
}

std::optional<AnswerMatch> Edge::JudgeAnswer(const Judgement& client, const EdgeVerdict& verdict, Bytes reply,
                                             size_t question_end) const {
  // The question's own rule has decided: who allows a name allows what it leads to.
  if (verdict.match && !verdict.pending) return std::nullopt;
  const AnswerRules rules = {.lists = rules_.lists.get(),
                             .overrides = rules_.overrides.get(),
                             .set = ListsOf(client),
                             .question = verdict.match,
                             .question_by_override = verdict.match && verdict.by_override,
                             .translation = rules_.translation};
  return AnswerSearch(rules, reply, question_end).Find();
}

EdgeVerdict Edge::Decide(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const {
  EdgeVerdict verdict;
  verdict.cookie = CookieOf(query);
  // Before any reply, errors too: they can be sent to somebody else's address as well.
  const RateResult rate = Rate(client, query, verdict.cookie, RateKind::kQuery, counts);
  verdict.over_limit = rate.over;
  verdict.action = ActionOf(rate.verdict, query.tcp);
  if (verdict.action != EdgeAction::kAllow) return verdict;
  if (verdict.cookie == CookieState::kMalformed) {
    verdict.action = EdgeAction::kFormErr;
    return verdict;
  }
  if (rules_.cookies && rules_.require_cookie && !query.tcp && !ProvesAddress(verdict.cookie)) {
    verdict.action = query.has_cookie ? EdgeAction::kBadCookie : EdgeAction::kTruncate;
    return verdict;
  }
  AskLists(client, query, &verdict);
  return verdict;
}

EdgeVerdict Edge::Judge(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const {
  EdgeVerdict verdict = Decide(client, query, counts);
  counts->actions[static_cast<size_t>(verdict.action)].Add();
  if (verdict.over_limit) counts->over_limit.Add();
  if (rules_.cookies) counts->cookies[static_cast<size_t>(verdict.cookie)].Add();
  if (verdict.match && !verdict.pending)
    (verdict.by_override ? counts->by_override : counts->by_list[verdict.match->policy.list]).Add();
  return verdict;
}

EdgeAction Edge::JudgeOutcome(const Judgement& client, const EdgeQuery& query, const EdgeVerdict& verdict,
                              RateKind kind, EdgeCounts* counts) const {
  const RateResult rate = Rate(client, query, verdict.cookie, kind, counts);
  const EdgeAction action = ActionOf(rate.verdict, query.tcp);
  if (rate.over) counts->over_limit.Add();
  // It was counted as allowed.
  if (action != EdgeAction::kAllow) {
    counts->actions[static_cast<size_t>(EdgeAction::kAllow)].Subtract(1);
    counts->actions[static_cast<size_t>(action)].Add();
  }
  return action;
}

bool Edge::MayRefuse(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const {
  for (const RateKind kind : {RateKind::kQuery, RateKind::kError}) {
    const RateResult rate = Rate(client, query, CookieState::kNone, kind, counts);
    if (rate.over) counts->over_limit.Add();
    if (rate.verdict == RateVerdict::kAllow) continue;
    counts->actions[static_cast<size_t>(EdgeAction::kDrop)].Add();
    return false;
  }
  return true;
}

bool Edge::MakeCookie(const EdgeQuery& query, CookieState state, uint8_t* out) const {
  if (NeedsFreshCookie(state)) {
    rules_.cookies->Make(query.cookie.data(), query.address, query.wall_s, out);
    return true;
  }
  if (state != CookieState::kGood) return false;
  std::memcpy(out, query.cookie.data(), kFullCookieSize);
  return true;
}

size_t Edge::memory_bytes() const {
  size_t bytes = sizeof *this;
  if (rules_.rates != nullptr) bytes += rules_.rates->memory_bytes();
  for (const Lists* lists : {rules_.lists.get(), rules_.overrides.get()}) {
    if (lists != nullptr) bytes += lists->memory_bytes();
  }
  return bytes + rules_.blocked.records.capacity() +
         (rules_.blocked.record_ends.capacity() + rules_.blocked.alias_tags.capacity()) * sizeof(uint32_t);
}

}  // namespace shardns::gate
