// Judged, answered, judged by what it comes to.
#include "addon/client_answering.h"

namespace shardns::addon {

udp::Response ClientAnswering::Respond(CacheObject* self, uint32_t* control, Bytes packet, udp::RespondArgs args,
                                       wire::Query* query, MutableBytes out) {
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
    return responder.Respond(packet, args, query, out);
  }
  const udp::Client client = ClientOf(clients, control, args.udp);
  udp::Admitted admitted;
  admitted.client = rules->Judge(client.address, clients.gate->Now(MonotonicMs()));
  const bool judged = args.counting != udp::Counting::kQuestion;
  // What was let in once is answered under the tag that it was let in with.
  if (!judged)
    control[control::kTenant] = args.tenant = admitted.client.allowed ? admitted.client.tag : gate::kUnknownTag;
  const gate::Edge* const edge = rules->edge();
  const wire::QueryVerdict parsed = wire::ParseQuery(packet, query);
  if (!judged && !admitted.client.allowed) {
    if (parsed == wire::QueryVerdict::kDrop ||
        (edge != nullptr && !clients.admission.MayRefuse(*edge, client, admitted.client))) {
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
      return done(length);
    } else {
      control[control::kTenant] = args.tenant = admitted.client.tag;
    }
  }
  args.parsed = &parsed;
  udp::Response response = responder.Respond(packet, args, query, out);
  if (edge == nullptr) return response;
  if (response.verdict == udp::Verdict::kReply) {
    length = clients.admission.ReplyCounted(*edge, client, &admitted, *query, out, response.length);
    if (admitted.again != 0) {
      control[control::kTenant] = args.tenant = admitted.again;
      if (!judged) args.counting = udp::Counting::kReply;
      return responder.Respond(packet, args, query, out);
    }
    if (length != response.length) {
      response.length = length;
      response.answer.refresh = false;
      if (length == 0) response.verdict = udp::Verdict::kDrop;
    }
  } else if (response.verdict == udp::Verdict::kMiss && !judged &&
             clients.admission.Miss(*edge, client, admitted, *query, out, &length) != Said::kGoOn) {
    return done(length);
  }
  return response;
}

}  // namespace shardns::addon
