// What the edge (gate/edge.h) says of a query, turned into what its client gets: a reply of its own, silence, or the
// way on, with the cookie and the server's name that the reply will carry. The same for datagrams, for streams and for
// those who waited for a miss.
//
// One object for each thread that judges. It allocates nothing after its construction.
#pragma once
#include "gate/edge.h"
#include "udp/responder.h"

namespace shardns::udp {

// Who asks, and when.
struct Client {
  Bytes address;  // 4 or 16 octets
  bool udp = true;
  uint64_t now_us = 0;  // of a monotonic clock
  uint32_t wall_s = 0;
};

// A query that was let in, until it is answered. Its query views the cookie.
struct Admitted {
  gate::Judgement client;
  gate::EdgeVerdict verdict;
  uint8_t cookie[wire::kReplyCookieSize];
  // Not 0: the reply that there is does not go out. A list says that an alias stands in its place: the question is to
  // be asked again under this tag.
  uint32_t again = 0;
  // Where it gets no reply: it was over a rate, and not dropped by a list.
  bool limited = false;
  // What has put the reply that it gets in the place of the one that there was, or would have been looked up.
  enum class Replaced : uint8_t { kNo, kByList, kByRate } replaced = Replaced::kNo;

  // `by` where nothing has.
  AnsweredBy By(AnsweredBy by) const {
    if (replaced == Replaced::kNo) [[likely]]
      return by;
    return replaced == Replaced::kByList ? AnsweredBy::kBlocked : AnsweredBy::kRefused;
  }
};

class Admission {
 public:
  // `responder` counts what is answered here. Both outlive it.
  Admission(gate::Gate* gate, Responder* responder)
      : responder_(responder), rules_(gate->rules()), counts_(gate->NewEdgeCounts()) {}

  gate::Gate::Reader& rules() { return rules_; }

  // kReply: the query is answered by `*length` octets of `out`, and counted.
  enum class Said : uint8_t { kGoOn, kReply, kNothing };
  // Of a query as it was parsed, before anything is looked up. `admitted->client` is what the gate says; its tag
  // afterwards is the one to look up under.
  Said Judge(const gate::Edge& edge, const Client& client, wire::QueryVerdict parsed, wire::Query* query,
             Admitted* admitted, MutableBytes out, size_t* length);
  // Of a client that may not ask: whether it is told so.
  bool MayRefuse(const gate::Edge& edge, const Client& client, const gate::Judgement& judgement) {
    return edge.MayRefuse(judgement, QueryOf(client, {}), counts_.get());
  }

  // Of one that has waited, or goes on, under a tag: what its reply's OPT has, and what lists say of it now.
  void Renew(const gate::Edge& edge, const Client& client, uint32_t tag, wire::Query* query, Admitted* admitted);

  // Once it is known what a query that was let in comes to: the reply of `length` octets in `out`, which is not counted
  // yet, or a miss. Returns the length of what is sent: 0 = nothing, or the reply, or what has been put in its place.
  // 0 also where `admitted->again` is set.
  size_t Reply(const gate::Edge& edge, const Client& client, Admitted* admitted, const wire::Query& query,
               MutableBytes out, size_t length);
  // The same of one that the responder has counted.
  size_t ReplyCounted(const gate::Edge& edge, const Client& client, Admitted* admitted, const wire::Query& query,
                      MutableBytes out, size_t length);
  Said Miss(const gate::Edge& edge, const Client& client, const Admitted& admitted, const wire::Query& query,
            MutableBytes out, size_t* length);

 private:
  static gate::EdgeQuery QueryOf(const Client& client, const wire::Query& query) {
    return {.address = client.address,
            .name = {},
            .tcp = !client.udp,
            .has_cookie = query.edns.cookie != nullptr,
            .cookie = query.edns.cookie_bytes(),
            .now_us = client.now_us,
            .wall_s = client.wall_s};
  }
  // The reply that an action other than kAllow stands for; 0 = silence.
  size_t Write(gate::EdgeAction action, const wire::Query& query, bool udp, MutableBytes out);
  size_t WriteBlocked(const gate::Edge& edge, const gate::AnswerMatch& found, const wire::Query& query, bool udp,
                      MutableBytes out);
  // False: the reply stands. True: `*length` is that of what a list has put in its place, 0 for nothing.
  bool JudgeAnswer(const gate::Edge& edge, const Client& client, Admitted* admitted, const wire::Query& query,
                   MutableBytes out, size_t* length);

  Responder* const responder_;
  gate::Gate::Reader rules_;
  const std::shared_ptr<gate::EdgeCounts> counts_;
};

}  // namespace shardns::udp
