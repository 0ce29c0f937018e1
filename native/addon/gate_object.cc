// Methods of the gate object.
#include "addon/gate_object.h"

#include <cstddef>
#include <iterator>
#include <vector>

#include "addon/call.h"
#include "addon/contract.h"

namespace shardns::addon {

namespace {

// A rule as JavaScript writes it, one behind the other in one buffer.
struct RuleRecord {
  uint8_t address[16];  // IPv4 in the first four octets
  uint32_t tag;
  uint8_t bits;
  uint8_t family;   // 4 or 6
  uint8_t allow;    // 1: they may ask
  uint8_t tagged;   // 1: the tag counts
  uint8_t classed;  // 1: the rate class counts
  uint8_t rate_class;
  uint8_t listed;  // 1: the set of lists counts
  uint8_t list_set;
};
static_assert(sizeof(RuleRecord) == 28);

constexpr int32_t kRefused = -1;

bool GetRule(const uint8_t* octets, gate::ClientRule* rule) {
  RuleRecord record;
  std::memcpy(&record, octets, sizeof record);
  const bool v6 = record.family == 6;
  if ((record.family != 4 && !v6) || record.bits > (v6 ? 128 : 32) || record.tag > gate::kMaxRuleTag) return false;
  rule->prefix = {.address = {}, .length = record.bits, .v6 = v6};
  std::memcpy(rule->prefix.address, record.address, sizeof record.address);
  rule->allow = record.allow != 0;
  if (record.list_set > gate::kMaxListSet) return false;
  if (record.tagged != 0) rule->tag = record.tag;
  if (record.classed != 0) rule->rate_class = record.rate_class;
  if (record.listed != 0) rule->list_set = record.list_set;
  return true;
}

bool IsAddress(size_t octets) { return octets == 4 || octets == 16; }

constexpr napi_type_tag kGateTag = {0x5ead5ca1ab1e0003, 0xcac4e0b1ec700003};

}  // namespace

struct GateMethods {
  static GateObject* This(void* data) { return static_cast<GateObject*>(data); }

  // replace({rules, everybody, clients, edge}): rules are RuleRecords; of the edge see edge_argument.h
  static napi_value Replace(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "options");
    Properties options(env, call.value(0), "options");
    MutableBytes octets;
    bool everybody;
    uint32_t clients;
    if (!options.Read("rules", &octets) || !options.Read("everybody", &everybody) ||
        !options.Read("clients", &clients)) {
      return options.Refuse();
    }
    if (octets.size() % sizeof(RuleRecord) != 0) return options.Refuse("rules", "whole records");
    std::vector<gate::ClientRule> rules(octets.size() / sizeof(RuleRecord));
    if (rules.size() > gate::PrefixMap::kMaxRules) return options.Refuse("rules", "at most 2^20 records");
    for (size_t i = 0; i < rules.size(); ++i) {
      if (!GetRule(octets.data() + i * sizeof(RuleRecord), &rules[i])) {
        return options.Refuse("rules", "prefixes of IPv4 and IPv6 with tags that a gate has");
      }
    }
    auto* self = call.self<GateObject>();
    std::shared_ptr<const gate::Edge> edge;
    if (!ReadEdge(env, &options, self->secret_, &self->rates_, &edge)) return options.Refuse();
    self->gate_->Replace({.rules = rules, .everybody = everybody, .clients = clients, .edge = std::move(edge)});
    return nullptr;
  }

  // replaceEdge({edge}): the rules stay
  static napi_value ReplaceEdge(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "options");
    Properties options(env, call.value(0), "options");
    auto* self = call.self<GateObject>();
    std::shared_ptr<const gate::Edge> edge;
    if (!ReadEdge(env, &options, self->secret_, &self->rates_, &edge)) return options.Refuse();
    self->gate_->ReplaceEdge(std::move(edge));
    return nullptr;
  }

  // edgeStats(out): EdgeTotals, as doubles
  static napi_value EdgeStats(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "out");
    MutableBytes out;
    if (!call.Read(0, &out, kStatsWords<EdgeTotals> * sizeof(double))) return call.Refuse();
    gate::EdgeCounts sum;
    call.self<GateObject>()->gate_->ReadEdgeCounts(&sum);
    EdgeTotals totals;
    const auto read = [](auto& to, const auto& from) {
      for (size_t i = 0; i < std::size(from); ++i) to[i] = from[i].Get();
    };
    read(totals.actions, sum.actions);
    read(totals.cookies, sum.cookies);
    read(totals.by_list, sum.by_list);
    totals.over_limit = sum.over_limit.Get();
    totals.by_override = sum.by_override.Get();
    WriteStats(totals, out);
    return nullptr;
  }

  // register(address): 16 octets, where judge() reads
  static napi_value Register(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "address");
    return call.Register(0, &call.self<GateObject>()->address_, 16) ? nullptr : call.Refuse();
  }

  // judge(octets of the registered address, 4 or 16) -> its client's tag, or kRefused
  static napi_value Judge(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "octets");
    auto* self = call.self<GateObject>();
    uint32_t length;
    if (!call.Read(0, &length)) return call.Refuse();
    if (!IsAddress(length)) return call.Refuse(0, "4 or 16");
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
    Call<1> call(env, info, "options");
    Properties options(env, call.value(0), "options");
    MutableBytes address;
    uint32_t tag, seconds;
    if (!options.Read("address", &address) || !options.Read("tag", &tag) || !options.Read("seconds", &seconds)) {
      return options.Refuse();
    }
    if (!IsAddress(address.size())) return options.Refuse("address", "4 or 16 octets");
    if (tag == gate::kUnknownTag) return options.Refuse("tag", "a tag that stands for a tenant");
    call.self<GateObject>()->gate_->Remember(address, tag, seconds);
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
    Call<1> call(env, info, "ms");
    double shift;
    if (!call.ReadPositive(0, &shift)) return call.Refuse();
    call.self<GateObject>()->gate_->ShiftClock(static_cast<uint64_t>(shift));
    return nullptr;
  }
};

constexpr Method kGateMethods[] = {
    {"replace", GateMethods::Replace},
    {"replaceEdge", GateMethods::ReplaceEdge},
    {"edgeStats", GateMethods::EdgeStats},
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
  Call<1> call(env, info, "options");
  Properties options(env, call.value(0), "options");
  uint64_t seed;
  if (!options.Read("seedHigh", "seedLow", &seed)) return options.Refuse();
  return WrapObject(env, new GateObject(ExpandSeed(seed)), kGateTag, {kGateMethods});
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
                 {"classed", offsetof(RuleRecord, classed)},
                 {"rateClass", offsetof(RuleRecord, rate_class)},
                 {"listed", offsetof(RuleRecord, listed)},
                 {"listSet", offsetof(RuleRecord, list_set)},
                 {"octets", sizeof(RuleRecord)}};
  napi_value fields;
  napi_create_object(env, &fields);
  for (const auto& field : kFields) {
    napi_set_named_property(env, fields, field.name, Int(env, static_cast<int32_t>(field.at)));
  }
  return fields;
}

}  // namespace shardns::addon
