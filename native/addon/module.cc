// The module: what makes its objects, and the contract with lib/native.
#include "addon/asker_object.h"
#include "addon/byte_cache_object.h"
#include "addon/call.h"
#include "addon/contract.h"
#include "addon/gate_object.h"
#include "addon/handed_sockets.h"
#include "addon/http2_object.h"
#include "addon/name_list_object.h"
#include "addon/plane_object.h"
#include "addon/query_parse.h"
#include "addon/region_argument.h"
#include "addon/tap_object.h"
#include "base/siphash.h"
#include "udp/answering_ports.h"
#include "wire/reply_survey.h"

namespace shardns::addon {

// clockMs() -> milliseconds of the clock that lifetimes are counted by
static napi_value ClockMs(napi_env env, napi_callback_info) {
  napi_value value;
  napi_create_double(env, static_cast<double>(MonotonicUs()) / 1000, &value);
  return value;
}

// freshSeconds(reply) -> how long HTTP may keep it
static napi_value FreshSeconds(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "reply");
  MutableBytes reply;
  if (!call.Read(0, &reply)) return call.Refuse();
  return Int(env, static_cast<int32_t>(wire::SurveyReply(reply).fresh_seconds));
}

// sipHash(key, octets, length, out): the 16 octets of SipHash-2-4 of the first `length` of `octets`, at the beginning
// of `out`
static napi_value SipHash(napi_env env, napi_callback_info info) {
  Call<4> call(env, info, "key, octets, length, out");
  SipKey key;
  MutableBytes octets, out;
  uint32_t length;
  if (!call.ReadWords(0, key.octets) || !call.Read(1, &octets) || !call.Read(2, &length)) return call.Refuse();
  if (length > octets.size()) return call.Refuse(2, "a length within the octets");
  if (!call.Read(3, &out, sizeof(SipHash128))) return call.Refuse();
  const SipHash128 hash = LongSipHash24(key, octets.data(), length);
  std::memcpy(out.data(), &hash, sizeof hash);
  return nullptr;
}

static napi_value Init(napi_env env, napi_value exports) {
  struct Function {
    const char* name;
    napi_callback callback;
  };
  constexpr Function kFunctions[] = {
      {"createCache", MakeObject<CacheObject, CreateRegion>},
      {"attachCache", MakeObject<CacheObject, AttachRegion>},
      {"openCache", MakeObject<CacheObject, OpenRegion>},
      {"createBytes", MakeObject<ByteCacheObject, CreateRegion>},
      {"attachBytes", MakeObject<ByteCacheObject, AttachRegion>},
      {"openBytes", MakeObject<ByteCacheObject, OpenRegion>},
      {"createGate", GateObject::Create},
      {"createNameList", NameListObject::Create},
      {"createPlane", PlaneObject::Create},
      {"createTap", TapObject::Create},
      {"createAsker", AskerObject::Create},
      {"createHttp2", Http2Object::Create},
      {"clockMs", ClockMs},
      {"parseQuery", ParseQuery},
      {"freshSeconds", FreshSeconds},
      {"sipHash", SipHash},
      {"takeSocket", TakeSocket},
      {"duplicateDescriptor", DuplicateDescriptor},
      {"sendUnixDatagram", SendDatagram},
  };
  for (const Function& function : kFunctions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  napi_value ports;
  napi_create_array(env, &ports);
  uint32_t count = 0;
  for (const uint16_t port : udp::kAnsweringPorts) napi_set_element(env, ports, count++, Int(env, port));
  napi_set_named_property(env, exports, "answeringPorts", ports);
  napi_set_named_property(env, exports, "hasHttp2", Bool(env, http2::nghttp2::Find() != nullptr));
  napi_set_named_property(env, exports, "gateRule", GateObject::RuleFields(env));
  napi_set_named_property(env, exports, "contract", Int(env, kContract));
  napi_set_named_property(env, exports, "names", Names(env));
  return exports;
}

NAPI_MODULE(shardns, Init)

}  // namespace shardns::addon
