// One client's HTTP/2 as a JavaScript object: what it asks is looked up at once in the cache that it was made with;
// JavaScript hears of what was not there, and of what was counted.
#pragma once
#include <cstring>
#include <memory>
#include <utility>

#include "addon/cache_object.h"
#include "http2/session.h"
#include "udp/tap.h"

namespace shardns::addon {

class Http2Object final : private http2::Asked {
 public:
  static napi_value Create(napi_env env, napi_callback_info info);

 private:
  friend struct Http2Methods;
  friend struct ObjectLife;
  explicit Http2Object(CacheObject* cache) : cache_(cache) { ObjectLife::Hold(cache); }
  ~Http2Object() = default;

  Answered Answer(int32_t stream, Bytes query) override;
  void Refused(uint16_t status) override;
  // What was asked, for JavaScript; false: there is no room to tell it.
  bool Tell(uint32_t kind, uint32_t stream, uint32_t value);
  // Of a reply, for those who watch.
  void Tap(Bytes reply, uint64_t began_us);
  // Octets for JavaScript, in `out_`; -> how many.
  napi_value Leave(napi_env env, Bytes octets) {
    std::memcpy(out_.Trusted().data(), octets.data(), octets.size());
    return Int(env, static_cast<int32_t>(octets.size()));
  }
  void Forget(napi_env env) {
    session_.reset();
    for (Registered* one : {&words_, &events_, &out_}) one->Clear(env);
    if (cache_ != nullptr) ObjectLife::Release<CacheObject>(env, std::exchange(cache_, nullptr), nullptr);
  }

  CacheObject* cache_;
  std::unique_ptr<http2::Session> session_;
  uint32_t* control_ = nullptr;  // while octets are fed
  uint32_t told_ = 0;
  bool proxied_ = false;
  std::shared_ptr<udp::Tap> tap_;  // null: nobody watches
  // Who asks, for those who watch.
  uint8_t client_[16] = {};
  size_t client_octets_ = 0;
  uint16_t client_port_ = 0;
  Bytes left_;  // taken of the session, and not in `out_` yet
  int holders_ = 0;
  Registered words_, events_, out_;
};

}  // namespace shardns::addon
