// The cache object's answers to a client whom a gate judges, as the UDP plane answers it: for listeners in JavaScript.
#pragma once
#include "addon/cache_object.h"

namespace shardns::addon {

struct ClientAnswering {
  // Whether the control words name a client.
  static bool Asks(const CacheObject* self, const uint32_t* control) {
    return control != nullptr && (control[control::kFlags] & control_flag::kClient) != 0 && self->clients_ != nullptr;
  }

  // As Responder::Respond; a question is judged, and a reply to one that was judged before gets its cookie. `*by`: how
  // a reply came about.
  static udp::Response Respond(CacheObject* self, uint32_t* control, Bytes packet, udp::RespondArgs args,
                               wire::Query* query, MutableBytes out, udp::AnsweredBy* by);

  // The reply that `write()` makes for a query that was judged before, or what is sent in its place, not counted; 0
  // where it makes none, or, `*due` is false, where none is sent. The control words have the tag that it was answered
  // under, and afterwards the one under which it is to be asked again (Admitted::again).
  template <typename Write>
  static size_t Finish(CacheObject* self, uint32_t* control, wire::Query* query, bool udp, MutableBytes out,
                       Write write, bool* due) {
    if (!Asks(self, control)) return write();
    CacheObject::Clients& clients = *self->clients_;
    const auto rules = clients.admission.rules().Take();
    if (!rules || rules->edge() == nullptr) return write();
    udp::Admitted admitted;
    const udp::Client client = ClientOf(clients, control, udp);
    admitted.client = rules->Judge(client.address, clients.gate->Now(MonotonicMs()));
    clients.admission.Renew(*rules->edge(), client, control[control::kTenant], query, &admitted);
    const size_t length = write();
    if (length == 0) return 0;
    const size_t sent = clients.admission.Reply(*rules->edge(), client, &admitted, *query, out, length);
    if (admitted.again != 0) control[control::kTenant] = admitted.again;
    if (sent == 0) Say(control, SilenceOf(admitted));
    control[control::kAnsweredBy] = static_cast<uint32_t>(admitted.By(udp::AnsweredBy::kHit));
    *due = sent != 0;
    return sent;
  }

 private:
  using Silence = silence::Value;
  // Why the client gets no reply, where it gets none.
  static void Say(uint32_t* control, Silence why) { control[control::kSilence] = why; }
  static Silence SilenceOf(const udp::Admitted& admitted) {
    return admitted.limited ? silence::kLimited : silence::kBlocked;
  }
  static udp::Client ClientOf(const CacheObject::Clients& clients, const uint32_t* control, bool udp) {
    const size_t octets = control[control::kClientOctets] == 4 ? 4 : 16;
    return {.address = {reinterpret_cast<const uint8_t*>(control + control::kClient0), octets},
            .udp = udp,
            .now_us = clients.gate->NowUs(MonotonicUs()),
            .wall_s = clients.gate->WallSeconds()};
  }
};

}  // namespace shardns::addon
