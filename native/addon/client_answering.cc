// Judged, answered, judged by what it comes to.
#include "addon/client_answering.h"

#include <utility>

namespace shardns::addon {

udp::Response ClientAnswering::Respond(CacheObject* self, uint32_t* control, Bytes packet, udp::RespondArgs args,
                                       wire::Query* query, MutableBytes out, udp::AnsweredBy* by) {
  using Said = udp::Admission::Said;
  CacheObject::Clients& clients = *self->clients_;
  udp::Responder& responder = self->responder_;
  const auto rules = clients.admission.rules().Take();
  const auto done = [](size_t length) {
    udp::Response response;
    response.verdict = length == 0 ? udp::Verdict::kDrop : udp::Verdict::kReply;
    response.length = length;
    return response;
  };
  if (!rules) {
    control[control::kTenant] = args.tenant = 0;
    const udp::Response response = responder.Respond(packet, args, query, out);
    *by = udp::ByOf(response);
    return response;
  }
  *by = udp::AnsweredBy::kRefused;
  const udp::Client client = ClientOf(clients, control, args.udp);
  udp::Admitted admitted;
  admitted.client = rules->Judge(client.address, clients.gate->Now(MonotonicMs()));
  // It was let in before; `again`: under another tag, whose entry nobody has looked at for it.
  const bool judged = args.counting != udp::Counting::kQuestion;
  const bool again = judged && (control[control::kFlags] & control_flag::kOtherTag) != 0;
  // What was let in once is answered under the tag that it was let in with.
  if (!judged)
    control[control::kTenant] = args.tenant = admitted.client.allowed ? admitted.client.tag : gate::kUnknownTag;
  const gate::Edge* const edge = rules->edge();
  const wire::QueryVerdict parsed = wire::ParseQuery(packet, query);
  if (!judged && !admitted.client.allowed) {
    if (parsed == wire::QueryVerdict::kDrop ||
        (edge != nullptr && !clients.admission.MayRefuse(*edge, client, admitted.client))) {
      if (parsed != wire::QueryVerdict::kDrop) Say(control, silence::kLimited);
      responder.CountDropped();
      return done(0);
    }
    responder.CountQuestion(*query);
    const size_t length = responder.Refuse(*query, wire::rcode::kRefused, wire::ede::kProhibited, args.udp, out);
    responder.CountReply(out.data());
    return done(length);
  }
  size_t length = 0;
  if (edge != nullptr && parsed != wire::QueryVerdict::kDrop) {
    if (judged) {
      clients.admission.Renew(*edge, client, args.tenant, query, &admitted);
    } else if (clients.admission.Judge(*edge, client, parsed, query, &admitted, out, &length) != Said::kGoOn) {
      if (length == 0) Say(control, SilenceOf(admitted));
      *by = admitted.By(*by);
      return done(length);
    } else {
      control[control::kTenant] = args.tenant = admitted.client.tag;
    }
  }
  args.parsed = &parsed;
  args.other_tag = again;
  udp::Response response = responder.Respond(packet, args, query, out);
  *by = udp::ByOf(response);
  if (edge == nullptr) return response;
  const auto judge_reply = [&] {
    length = clients.admission.ReplyCounted(*edge, client, &admitted, *query, out, response.length);
    return admitted.again == 0;
  };
  bool is_reply = response.verdict == udp::Verdict::kReply, is_judged = judged && !again;
  if (is_reply && !judge_reply()) {
    // Once: nothing that stands behind a list's alias is judged by lists.
    control[control::kTenant] = args.tenant = admitted.client.tag = std::exchange(admitted.again, 0);
    if (!judged) args.counting = udp::Counting::kReply;
    args.other_tag = true;
    is_judged = false;
    response = responder.Respond(packet, args, query, out);
    is_reply = response.verdict == udp::Verdict::kReply;
    if (is_reply) judge_reply();
  }
  if (is_reply) {
    *by = admitted.By(udp::ByOf(response));
    response.length = length;
    if (length == 0) {
      response.verdict = udp::Verdict::kDrop;
      Say(control, SilenceOf(admitted));
    }
  } else if (response.verdict == udp::Verdict::kMiss && !is_judged &&
             clients.admission.Miss(*edge, client, admitted, *query, out, &length) != Said::kGoOn) {
    if (length == 0) Say(control, silence::kLimited);
    *by = udp::AnsweredBy::kRefused;
    return done(length);
  }
  return response;
}

}  // namespace shardns::addon
