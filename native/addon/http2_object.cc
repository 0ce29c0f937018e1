// Methods of the HTTP/2 object.
#include "addon/http2_object.h"

#include <algorithm>
#include <cstring>

#include "addon/cache_methods.h"
#include "addon/call.h"
#include "addon/tap_object.h"

namespace shardns::addon {

namespace {

constexpr napi_type_tag kHttp2Tag = {0x5ead5ca1ab1e0007, 0xcac4e0b1ec700007};
constexpr uint32_t kMostStreams = 1024;
constexpr size_t kLeastOut = 65535;

// The status where no DNS message is due; lib/server/listeners/doh-connection.ts has the same.
constexpr uint16_t kBadRequest = 400;
uint16_t StatusOf(uint32_t why) {
  return why == silence::kLimited ? 429 : why == silence::kBlocked ? 403 : kBadRequest;
}

}  // namespace

bool Http2Object::Tell(uint32_t kind, uint32_t stream, uint32_t value) {
  const MutableBytes events = events_.Trusted();
  if ((told_ + 1) * http2_event::kWords * sizeof(uint32_t) > events.size()) return false;
  auto* event = reinterpret_cast<uint32_t*>(events.data()) + told_++ * http2_event::kWords;
  event[http2_event::kKind] = kind;
  event[http2_event::kStream] = stream;
  event[http2_event::kValue] = value;
  event[http2_event::kTenant] = control_ == nullptr ? 0 : control_[control::kTenant];
  return true;
}

void Http2Object::Tap(Bytes reply, uint64_t began_us) {
  tap_->main().Sample(tap_->settings(),
                      {.address = {client_, client_octets_},
                       .port = client_port_,
                       .protocol = udp::TapProtocol::kHttps,
                       .by = static_cast<udp::AnsweredBy>(control_[control::kAnsweredBy]),
                       .began_us = began_us},
                      reply);
}

void Http2Object::Refused(uint16_t status) { Tell(http2_kind::kRefused, 0, status); }

http2::Asked::Answered Http2Object::Answer(int32_t stream, Bytes query) {
  static thread_local std::unique_ptr<uint8_t[]> replies(new uint8_t[http2::kReplyRoom]);
  if (control_ == nullptr) return {.verdict = Verdict::kRefused, .status = kBadRequest};
  if (proxied_) {
    if (Tell(http2_kind::kProxied, static_cast<uint32_t>(stream), 0)) return {.verdict = Verdict::kLater};
    return {.verdict = Verdict::kRefused, .status = kBadRequest};
  }
  const MutableBytes room = {replies.get(), http2::kReplyRoom};
  const bool tells = tap_ != nullptr && tap_->settings().on();
  const uint64_t began_us = tells ? MonotonicUs() : 0;
  const int32_t result = AnswerFor(cache_, control_, query, room);
  const uint32_t type = control_[control::kType];
  if (result == answer_result::kDropped) {
    Tell(http2_kind::kDropped, 0, type);
    return {.verdict = Verdict::kRefused, .status = StatusOf(control_[control::kSilence])};
  }
  const bool missed = result < 0;
  const uint32_t kind = missed                             ? http2_kind::kMissed
                        : control_[control::kRefresh] != 0 ? http2_kind::kRefresh
                                                           : http2_kind::kAnswered;
  const bool told = Tell(kind, static_cast<uint32_t>(stream), type);
  if (!missed) {
    const size_t length = static_cast<size_t>(result);
    if (tells) Tap(room.first(length), began_us);
    return {.verdict = Verdict::kReply, .room = room, .length = length};
  }
  // A miss that nobody is told of would never be answered.
  if (!told) return {.verdict = Verdict::kRefused, .status = kBadRequest};
  return {.verdict = Verdict::kLater};
}

struct Http2Methods {
  using Object = Http2Object;

  // feed(chunk, nowMs, gateAndClientInControl) -> nothing: words and events say what came of it
  static napi_value Feed(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "chunk, nowMs");
    auto* self = call.self<Object>();
    MutableBytes chunk;
    uint32_t now_ms;
    if (!call.Read(0, &chunk) || !call.Read(1, &now_ms)) return call.Refuse();
    if (self->session_ == nullptr || self->cache_ == nullptr) return ThrowClosed(env);
    if (self->cache_->cache() == nullptr) return ThrowClosed(env);
    self->told_ = 0;
    self->control_ = self->cache_->control(env);
    if (self->control_ == nullptr) return ThrowGone(env);
    self->session_->Feed(chunk, now_ms);
    self->control_ = nullptr;
    Say(self);
    return nullptr;
  }
  // -> octets in `out`; 0: there are no more at present
  static napi_value Take(napi_env env, napi_callback_info info) {
    auto* self = static_cast<Object*>(Arguments<1>(env, info).data);
    if (self->session_ == nullptr) return Int(env, 0);
    MutableBytes out = self->out_.Trusted();
    size_t length = 0;
    while (length < out.size()) {
      if (self->left_.empty()) self->left_ = self->session_->Take();
      if (self->left_.empty()) break;
      const size_t size = std::min(self->left_.size(), out.size() - length);
      std::memcpy(out.data() + length, self->left_.data(), size);
      self->left_ = self->left_.subspan(size);
      length += size;
    }
    Say(self);
    return Int(env, static_cast<int32_t>(length));
  }
  // query(stream) -> its octets in `out`; 0 where it is gone
  static napi_value Query(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "stream");
    auto* self = call.self<Object>();
    uint32_t stream;
    if (!call.Read(0, &stream)) return call.Refuse();
    if (self->session_ == nullptr) return Int(env, 0);
    return self->Leave(env, self->session_->query(static_cast<int32_t>(stream)));
  }
  // forwarded(stream) -> for whom it is asked, as a proxy says, in `out`: octets; 0 where nothing is said
  static napi_value Forwarded(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "stream");
    auto* self = call.self<Object>();
    uint32_t stream;
    if (!call.Read(0, &stream)) return call.Refuse();
    if (self->session_ == nullptr) return Int(env, 0);
    const std::string_view text = self->session_->forwarded(static_cast<int32_t>(stream));
    return self->Leave(env, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  // finish(last)
  static napi_value Finish(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "last");
    auto* self = call.self<Object>();
    uint32_t last;
    if (!call.Read(0, &last)) return call.Refuse();
    if (self->session_ != nullptr) self->session_->Finish(last != 0);
    return nullptr;
  }
  static napi_value Reply(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "stream, reply");
    auto* self = call.self<Object>();
    uint32_t stream;
    MutableBytes reply;
    if (!call.Read(0, &stream) || !call.Read(1, &reply)) return call.Refuse();
    if (self->session_ != nullptr) self->session_->Reply(static_cast<int32_t>(stream), reply);
    return nullptr;
  }
  static napi_value Refuse(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "stream, status");
    auto* self = call.self<Object>();
    uint32_t stream, status;
    if (!call.Read(0, &stream) || !call.Read(1, &status)) return call.Refuse();
    self->told_ = 0;
    if (self->session_ != nullptr) self->session_->Refuse(static_cast<int32_t>(stream), static_cast<uint16_t>(status));
    return nullptr;
  }
  // Lets go of all it has.
  static napi_value Close(napi_env env, napi_callback_info info) {
    auto* self = static_cast<Object*>(Arguments<1>(env, info).data);
    self->left_ = {};
    self->session_.reset();
    return nullptr;
  }
  static void Say(Object* self) {
    auto* words = reinterpret_cast<uint32_t*>(self->words_.Trusted().data());
    const http2::Session& session = *self->session_;
    words[http2_word::kEvents] = self->told_;
    words[http2_word::kOver] = session.over();
    words[http2_word::kFaulty] = session.faulty();
    words[http2_word::kHeld] = static_cast<uint32_t>(session.held());
    words[http2_word::kUnsent] = static_cast<uint32_t>(session.unsent());
    words[http2_word::kPartial] = session.partial();
    words[http2_word::kOldestMs] = session.oldest_ms();
  }

  static constexpr Method kMethods[] = {
      {"feed", Feed},   {"take", Take},     {"query", Query},   {"forwarded", Forwarded},
      {"reply", Reply}, {"refuse", Refuse}, {"finish", Finish}, {"close", Close},
  };
};

// createHttp2(cache, path, maxStreams, words, events, out, maxUnsent, forwarded, tap, client, clientPort)
napi_value Http2Object::Create(napi_env env, napi_callback_info info) {
  Call<11> call(env, info,
                "cache, path, maxStreams, words, events, out, maxUnsent, forwarded, tap, client, clientPort");
  CacheObject* cache = CacheObject::From(env, call.value(0));
  if (cache == nullptr) return call.Refuse(0, "a cache");
  http2::Session::Options options{.functions = http2::nghttp2::Find(),
                                  .asked = nullptr,
                                  .path = {},
                                  .forwarded = {},
                                  .max_streams = 0,
                                  .max_unsent = 0};
  if (options.functions == nullptr) return call.Refuse(0, "a program that has nghttp2");
  uint32_t max_unsent, client_port;
  MutableBytes client;
  if (!call.Read(1, &options.path) || !call.Read(2, &options.max_streams) || !call.Read(6, &max_unsent) ||
      !call.Read(7, &options.forwarded) || !call.Read(9, &client) || !call.Read(10, &client_port)) {
    return call.Refuse();
  }
  options.max_unsent = max_unsent;
  options.max_streams = std::clamp(options.max_streams, 1u, kMostStreams);
  auto* self = new Http2Object(cache);
  self->proxied_ = !options.forwarded.empty();
  self->tap_ = TapObject::Of(env, call.value(8));
  self->client_octets_ = std::min(client.size(), sizeof self->client_);
  if (!client.empty()) std::memcpy(self->client_, client.data(), self->client_octets_);
  self->client_port_ = static_cast<uint16_t>(client_port);
  options.asked = self;
  const bool good = call.RegisterWords<uint32_t>(3, &self->words_, http2_word::kWords) &&
                    call.RegisterWords<uint32_t>(4, &self->events_, http2_event::kWords) &&
                    call.Register(5, &self->out_, kLeastOut);
  // They are written without being looked up again.
  const bool pinned = good && self->words_.shared() && self->events_.shared() && self->out_.shared();
  if (pinned) self->session_ = http2::Session::Create(std::move(options));
  if (self->session_ == nullptr) {
    self->Forget(env);
    delete self;
    if (!good) return call.Refuse();
    return pinned ? Throw(env, "ERR_SHARDNS_MEMORY", "there is no memory for another HTTP/2 session")
                  : call.Refuse(3, "shared memory");
  }
  return WrapObject(env, self, kHttp2Tag, {Http2Methods::kMethods});
}

}  // namespace shardns::addon
