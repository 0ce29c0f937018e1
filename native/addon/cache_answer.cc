// Methods of the cache object that answer clients: from the cache, or from a response that is at hand.
#include <cstdio>

#include "addon/cache_methods.h"
#include "addon/client_answering.h"
#include "addon/gate_object.h"

namespace shardns::addon {

namespace {

int32_t ResultOf(const udp::Response& response) {
  switch (response.verdict) {
    case udp::Verdict::kReply:
      return static_cast<int32_t>(response.length);
    case udp::Verdict::kMiss:
      if (wire::IsForAuthority(response.query_verdict)) return answer_result::kForAuthority;
      return response.answer.has_stale ? answer_result::kMissWithStale : answer_result::kMiss;
    case udp::Verdict::kDrop:
      return answer_result::kDropped;
  }
  return answer_result::kDropped;
}

}  // namespace

struct CacheAnswering {
  using Object = CacheObject;

  static udp::RespondArgs Args(napi_env env, Object* self) { return Args(self->control(env), self->Now()); }
  static udp::RespondArgs Args(const uint32_t* control, Ticks now) {
    if (control == nullptr) return {.now = now, .udp = false};
    return {.now = now,
            .tenant = control[control::kTenant],
            .udp = (control[control::kFlags] & control_flag::kUdp) != 0,
            .allow_stale = (control[control::kFlags] & control_flag::kAllowStale) != 0,
            .counting = (control[control::kFlags] & control_flag::kCountNothing) != 0 ? udp::Counting::kNothing
                        : (control[control::kFlags] & control_flag::kCountReply) != 0 ? udp::Counting::kReply
                                                                                      : udp::Counting::kQuestion,
            .resolves = (control[control::kFlags] & control_flag::kResolves) != 0,
            .authority = (control[control::kFlags] & control_flag::kAuthority) != 0};
  }
  static int32_t AnswerInto(Object* self, uint32_t* control, Bytes query, MutableBytes reply) {
    wire::Query parsed;
    udp::Response response;
    if (control != nullptr) control[control::kSilence] = silence::kNoQuery;
    udp::AnsweredBy by = udp::AnsweredBy::kHit;
    const bool judges = ClientAnswering::Asks(self, control);
    if (judges) [[unlikely]] {
      response = ClientAnswering::Respond(self, control, query, Args(control, self->Now()), &parsed, reply, &by);
    } else {
      response = self->responder_.Respond(
          query, Args(control, 0), [self] { return self->Now(); }, &parsed, reply);
    }
    if (control != nullptr) {
      control[control::kRefresh] = response.answer.refresh;
      control[control::kAnsweredBy] = static_cast<uint32_t>(judges ? by : udp::ByOf(response));
      control[control::kType] = parsed.type;
    }
    return ResultOf(response);
  }

  static napi_value Register(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "query, reply, control");
    auto* self = call.self<Object>();
    if (!call.Register(0, &self->query_) || !call.Register(1, &self->reply_, kLeastRoom) ||
        !call.RegisterWords<uint32_t>(2, &self->control_, control::kWords)) {
      self->query_.Clear(env);
      self->reply_.Clear(env);
      self->control_.Clear(env);
      self->hot_ = {};
      return call.Refuse();
    }
    self->LookUpHot(env);
    return nullptr;
  }
  static napi_value RegisterBatch(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "queries, queryEnds, replies, replyLengths");
    auto* self = call.self<Object>();
    const bool good = call.Register(0, &self->batch_queries_) && call.Register(1, &self->batch_ends_) &&
                      call.Register(2, &self->batch_replies_) && call.Register(3, &self->batch_lengths_);
    return good ? nullptr : call.Refuse();
  }
  // -> result; the first control[control::kQueryLength] octets of the registered query buffer are the query,
  // the reply goes to the registered reply buffer. An argument would cost one more call into Node-API.
  static napi_value Answer(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    auto* self = static_cast<Object*>(data);
    if (!self->cache_) return ThrowClosed(env);
    const auto& hot = self->hot_;
    if (!hot.pinned) [[unlikely]] {
      self->LookUpHot(env);
      if (hot.control == nullptr || hot.query.empty() || hot.reply.empty()) return ThrowGone(env);
    }
    const uint32_t length = hot.control[control::kQueryLength];
    if (length > hot.query.size()) [[unlikely]]
      return ThrowLength(env, length, hot.query.size());
    return Int(env, AnswerInto(self, hot.control, hot.query.first(length), hot.reply));
  }
  [[gnu::cold, gnu::noinline]] static napi_value ThrowLength(napi_env env, size_t length, size_t room) {
    char text[128];
    std::snprintf(text, sizeof text, "control[%zu] (queryLength): expected at most %zu, got %zu",
                  static_cast<size_t>(control::kQueryLength), room, length);
    return Throw(env, "ERR_SHARDNS_INTERNAL", text);
  }
  // -> result
  static napi_value AnswerFrom(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "query, reply");
    auto* self = call.self<Object>();
    MutableBytes query, reply;
    napi_value memory;
    bool ordinary = false;
    if (!self->cache_) return ThrowClosed(env);
    if (!call.Read(0, &query, &memory) || !call.Read(1, &reply, kLeastRoom)) return call.Refuse();
    napi_is_arraybuffer(env, memory, &ordinary);
    return Int(env, AnswerInto(self, self->control(env), ordinary ? Bytes(query) : self->Own(query), reply));
  }
  // -> hits; queryEnds[i] = end of query i; replies are laid one after another. To look up where the
  // four arrays are would cost an eighth of the batch's time: lib/cache compares their lengths, which costs nothing.
  static napi_value AnswerBatch(napi_env env, napi_callback_info info) {
    constexpr size_t kBatch = udp::Responder::kBatch;
    Call<1> call(env, info, "count");
    auto* self = call.self<Object>();
    uint32_t count;
    if (!self->cache_) return ThrowClosed(env);
    const Bytes queries = self->batch_queries_.Trusted();
    const MutableBytes replies = self->batch_replies_.Trusted();
    const MutableBytes ends = self->batch_ends_.Trusted();
    const MutableBytes lengths = self->batch_lengths_.Trusted();
    if (!call.Read(0, &count)) return call.Refuse();
    if (count > ends.size() / sizeof(uint32_t) || count > lengths.size() / sizeof(int32_t)) {
      return call.Refuse(0, "no more than there are ends and lengths registered");
    }
    const size_t room = count == 0 ? 0 : replies.size() / count;
    if (count != 0 && room < kLeastRoom) return call.Refuse(0, "no more than the registered replies have room for");
    const udp::RespondArgs respond = Args(env, self);
    // Queries that another thread may change while they are read are copied and answered one by one.
    const size_t step = self->batch_queries_.shared() ? 1 : kBatch;
    int32_t hits = 0;
    uint32_t begin = 0;
    for (uint32_t from = 0; from < count; from += step) {
      const size_t size = count - from < step ? count - from : step;
      auto& [packets, outs, parsed, responses] = *self->batch_;
      for (size_t i = 0; i < size; ++i) {
        const uint32_t end = RacyLoad(reinterpret_cast<const uint32_t*>(ends.data()) + from + i);
        if (end < begin || end > queries.size()) return ThrowEnd(env, {.query = from + i, .begin = begin, .end = end});
        packets[i] = queries.subspan(begin, end - begin);
        if (step == 1) packets[i] = self->Own(packets[i]);
        outs[i] = replies.subspan((from + i) * room, room);
        begin = end;
      }
      self->responder_.RespondBatch({packets, size}, respond, parsed, outs, responses);
      for (size_t i = 0; i < size; ++i) {
        const int32_t result = ResultOf(responses[i]);
        std::memcpy(lengths.data() + (from + i) * sizeof result, &result, sizeof result);
        hits += result > 0;
      }
    }
    return Int(env, hits);
  }
  struct QueryEnd {
    size_t query;
    uint32_t begin, end;
  };
  static napi_value ThrowEnd(napi_env env, QueryEnd found) {
    char text[160];
    std::snprintf(text, sizeof text, "ends: expected %u or more, within the queries, got %u for query %zu", found.begin,
                  found.end, found.query);
    return Throw(env, "ERR_SHARDNS_OPTION", text);
  }
  // -> length in the registered reply buffer, 0 when the response
  // is unusable: the reply to one client from a raw response, stored or not
  static napi_value Finish(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "query, response, wallSeconds, extendedError");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes packet, response;
    uint32_t wall, extended_error;
    if (!call.Read(0, &packet) || !call.Read(1, &response) || !call.Read(2, &wall) || !call.Read(3, &extended_error)) {
      return call.Refuse();
    }
    const MutableBytes reply = self->reply_.Fetch(env);
    if (reply.empty()) return ThrowGone(env);
    wire::Query query;
    wire::ParseQuery(self->Own(packet), &query);
    const bool udp = Args(env, self).udp;
    const auto finish = [&] {
      return self->responder_.FinishResponse(query,
                                             {.response = self->OwnBeside(response),
                                              .wall_seconds = wall,
                                              .ttl = self->ttl_,
                                              .authoritative = (extended_error & kMarkAuthoritative) != 0,
                                              .of_zone = (extended_error & kMarkZone) != 0},
                                             static_cast<uint16_t>(extended_error), udp, self->scratch_.get(), reply);
    };
    bool due = true;
    const size_t length = ClientAnswering::Finish(self, self->control(env), &query, udp, reply, finish, &due);
    return due ? Reply(env, self, length) : Int(env, answer_result::kNotDue);
  }
  // -> length in the registered reply buffer, 0 when no reply is due
  static napi_value Refuse(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "query, rcode, extendedError, text");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes packet;
    uint32_t rcode, extended_error;
    std::string text;
    if (!call.Read(0, &packet) || !call.Read(1, &rcode) || !call.Read(2, &extended_error) || !call.Read(3, &text)) {
      return call.Refuse();
    }
    const MutableBytes reply = self->reply_.Fetch(env);
    if (reply.empty()) return ThrowGone(env);
    wire::Query query;
    const bool drop = wire::ParseQuery(self->Own(packet), &query) == wire::QueryVerdict::kDrop;
    if (uint32_t* control = self->control(env)) {
      control[control::kType] = query.type;
      control[control::kSilence] = silence::kNoQuery;
    }
    if (drop) return Int(env, 0);
    const bool udp = Args(env, self).udp;
    const auto refuse = [&] {
      return self->responder_.Refuse(query, static_cast<uint16_t>(rcode), {static_cast<uint16_t>(extended_error), text},
                                     udp, reply);
    };
    bool due = true;
    return Reply(env, self, ClientAnswering::Finish(self, self->control(env), &query, udp, reply, refuse, &due));
  }
  static napi_value Reply(napi_env env, Object* self, size_t length) {
    if (length != 0) self->responder_.CountReply(self->reply_.Fetch(env).data());
    return Int(env, static_cast<int32_t>(length));
  }
  // judgeBy(gate)
  static napi_value JudgeBy(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "gate");
    GateObject* gate = GateObject::From(env, call.value(0));
    if (gate == nullptr) return call.Refuse(0, "a gate");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    if (self->clients_ == nullptr || self->clients_->gate != gate->gate()) {
      self->clients_ = std::make_unique<Object::Clients>(gate->gate(), &self->responder_);
    }
    return nullptr;
  }
  // Replies by rcode, then requests by type, of calls from JavaScript, as doubles.
  static napi_value Responses(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "out");
    auto* self = call.self<Object>();
    const auto& counters = self->responder_.counters();
    MutableBytes out;
    constexpr size_t kWords = std::extent_v<decltype(udp::ResponderCounters::responses_by_rcode)> +
                              std::extent_v<decltype(udp::ResponderCounters::requests_by_type)>;
    if (!call.Read(0, &out, kWords * sizeof(double))) return call.Refuse();
    double* next = reinterpret_cast<double*>(out.data());
    for (const Counter& counter : counters.responses_by_rcode) *next++ = static_cast<double>(counter.Get());
    for (const Counter& counter : counters.requests_by_type) *next++ = static_cast<double>(counter.Get());
    return nullptr;
  }

  static constexpr Method kMethods[] = {
      {"register", Register},     {"registerBatch", RegisterBatch}, {"answer", Answer},
      {"answerFrom", AnswerFrom}, {"answerBatch", AnswerBatch},     {"finish", Finish},
      {"refuse", Refuse},         {"responses", Responses},         {"judgeBy", JudgeBy},
  };
};

int32_t AnswerFor(CacheObject* self, uint32_t* control, Bytes query, MutableBytes reply) {
  return CacheAnswering::AnswerInto(self, control, query, reply);
}

std::span<const Method> CacheAnswerMethods() { return CacheAnswering::kMethods; }

}  // namespace shardns::addon
