// Methods of the gate object.
#include "addon/gate_object.h"

#include <cstddef>
#include <vector>

namespace shardns::addon {

namespace {

// A rule as JavaScript writes it, one behind the other in one buffer.
struct RuleRecord {
  uint8_t address[16];  // IPv4 in the first four octets
  uint32_t tag;
  uint8_t bits;
  uint8_t family;  // 4 or 6
  uint8_t allow;   // 1: they may ask
  uint8_t tagged;  // 1: the tag counts
};
static_assert(sizeof(RuleRecord) == 24);

constexpr int32_t kRefused = -1;

bool GetRule(const uint8_t* octets, gate::ClientRule* rule) {
  RuleRecord record;
  std::memcpy(&record, octets, sizeof record);
  const bool v6 = record.family == 6;
  if ((record.family != 4 && !v6) || record.bits > (v6 ? 128 : 32) || record.tag > gate::kMaxRuleTag) return false;
  rule->prefix = {.address = {}, .length = record.bits, .v6 = v6};
  std::memcpy(rule->prefix.address, record.address, sizeof record.address);
  rule->allow = record.allow != 0;
  if (record.tagged != 0) rule->tag = record.tag;
  return true;
}

bool IsAddress(size_t octets) { return octets == 4 || octets == 16; }

constexpr napi_type_tag kGateTag = {0x5ead5ca1ab1e0003, 0xcac4e0b1ec700003};

}  // namespace

struct GateMethods {
  static GateObject* This(void* data) { return static_cast<GateObject*>(data); }

  // replace({rules, everybody, clients}): rules are RuleRecords
  static napi_value Replace(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    napi_value list;
    MutableBytes octets;
    uint32_t everybody, clients;
    if (args.count != 1 || napi_get_named_property(env, args.values[0], "rules", &list) != napi_ok ||
        !GetBytes(env, list, &octets) || !GetProperty(env, args.values[0], "everybody", &everybody) ||
        !GetProperty(env, args.values[0], "clients", &clients) || octets.size() % sizeof(RuleRecord) != 0 ||
        octets.size() / sizeof(RuleRecord) > gate::PrefixMap::kMaxRules) {
      return ThrowArgument(env);
    }
    std::vector<gate::ClientRule> rules(octets.size() / sizeof(RuleRecord));
    for (size_t i = 0; i < rules.size(); ++i) {
      if (!GetRule(octets.data() + i * sizeof(RuleRecord), &rules[i])) return ThrowArgument(env);
    }
    This(args.data)->gate_->Replace({.rules = rules, .everybody = everybody != 0, .clients = clients});
    return nullptr;
  }

  // register(address): 16 octets, where judge() reads
  static napi_value Register(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    return This(args.data)->address_.Set(env, args.values[0], 16) ? nullptr : ThrowArgument(env);
  }

  // judge(octets of the registered address, 4 or 16) -> its client's tag, or kRefused
  static napi_value Judge(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    GateObject* self = This(args.data);
    uint32_t length;
    if (!GetUint32(env, args.values[0], &length) || !IsAddress(length)) return ThrowArgument(env);
    const MutableBytes address = self->address_.Fetch(env);
    if (address.size() < length) return ThrowGone(env);
    const auto rules = self->rules_->Take();
    const gate::Judgement judgement =
        rules ? rules->Judge(address.first(length), self->gate_->Now(MonotonicMs())) : gate::Gate::kOpen;
    if (!judgement.allowed) return Int(env, kRefused);
    napi_value tag;
    napi_create_uint32(env, judgement.tag, &tag);
    return tag;
  }

  // remember({address, tag, seconds})
  static napi_value Remember(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    napi_value value;
    MutableBytes address;
    uint32_t tag, seconds;
    if (args.count != 1 || napi_get_named_property(env, args.values[0], "address", &value) != napi_ok ||
        !GetBytes(env, value, &address) || !IsAddress(address.size()) ||
        !GetProperty(env, args.values[0], "tag", &tag) || tag == gate::kUnknownTag ||
        !GetProperty(env, args.values[0], "seconds", &seconds)) {
      return ThrowArgument(env);
    }
    This(args.data)->gate_->Remember(address, tag, seconds);
    return nullptr;
  }

  static napi_value ForgetClients(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    This(args.data)->gate_->ForgetClients();
    return nullptr;
  }

  // clients() -> how many are remembered
  static napi_value Clients(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    return Int(env, static_cast<int32_t>(This(args.data)->gate_->clients()));
  }

  static napi_value MemoryBytes(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    napi_value bytes;
    napi_create_double(env, static_cast<double>(This(args.data)->gate_->memory_bytes()), &bytes);
    return bytes;
  }

  // shiftClock(ms): time is the monotonic clock plus this, here and in the planes that judge by it; for tests
  static napi_value ShiftClock(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    double shift;
    if (napi_get_value_double(env, args.values[0], &shift) != napi_ok || !(shift >= 0)) return ThrowArgument(env);
    This(args.data)->gate_->ShiftClock(static_cast<uint64_t>(shift));
    return nullptr;
  }
};

constexpr Method kGateMethods[] = {
    {"replace", GateMethods::Replace},
    {"register", GateMethods::Register},
    {"judge", GateMethods::Judge},
    {"remember", GateMethods::Remember},
    {"forgetClients", GateMethods::ForgetClients},
    {"clients", GateMethods::Clients},
    {"memoryBytes", GateMethods::MemoryBytes},
    {"shiftClock", GateMethods::ShiftClock},
};

// createGate({seedHigh, seedLow})
napi_value GateObject::Create(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  uint32_t high, low;
  if (args.count != 1 || !GetProperty(env, args.values[0], "seedHigh", &high) ||
      !GetProperty(env, args.values[0], "seedLow", &low)) {
    return ThrowArgument(env);
  }
  return WrapObject(env, new GateObject(ExpandSeed(uint64_t{high} << 32 | low)), kGateTag, {kGateMethods});
}

GateObject* GateObject::From(napi_env env, napi_value object) { return Unwrap<GateObject>(env, object, kGateTag); }

napi_value GateObject::RuleFields(napi_env env) {
  constexpr struct {
    const char* name;
    size_t at;
  } kFields[] = {{"address", offsetof(RuleRecord, address)},
                 {"tag", offsetof(RuleRecord, tag)},
                 {"bits", offsetof(RuleRecord, bits)},
                 {"family", offsetof(RuleRecord, family)},
                 {"allow", offsetof(RuleRecord, allow)},
                 {"tagged", offsetof(RuleRecord, tagged)},
                 {"octets", sizeof(RuleRecord)}};
  napi_value fields;
  napi_create_object(env, &fields);
  for (const auto& field : kFields) {
    napi_set_named_property(env, fields, field.name, Int(env, static_cast<int32_t>(field.at)));
  }
  return fields;
}

}  // namespace shardns::addon
