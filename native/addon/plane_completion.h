// How an asker of one object completes flights of a plane of another, either of which may go first.
#pragma once
#include "addon/values.h"
#include "udp/forwarder.h"

namespace shardns::addon {

// The plane's end of it may go before the asker's: then nothing is completed any more.
class PlaneCompletion : public udp::Completion {
 public:
  std::unique_ptr<udp::Forwarder> forwarder;

  size_t WriteQuery(uint64_t token, uint16_t udp_size, MutableBytes out) override {
    return forwarder ? forwarder->WriteQuery(token, udp_size, out) : 0;
  }
  bool OnResponse(uint64_t token, Bytes response, Taken* taken) override {
    return forwarder && forwarder->OnResponse(token, response, taken);
  }
  void Flush() override {
    if (forwarder) forwarder->Flush();
  }
};

// A value that JavaScript carries from the one to the other.
napi_value WrapCompletion(napi_env env, std::shared_ptr<udp::Completion> completion);
// False for another value.
bool ReadCompletion(napi_env env, napi_value value, std::shared_ptr<udp::Completion>* out);

}  // namespace shardns::addon
