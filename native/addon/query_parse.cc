// The words of a parsed query.
#include "addon/query_parse.h"

#include "addon/call.h"
#include "addon/contract.h"
#include "wire/question.h"

namespace shardns::addon {

napi_value ParseQuery(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "query, words");
  MutableBytes message, words;
  uint32_t values[query_word::kWords];
  if (!call.Read(0, &message) || !call.Read(1, &words, sizeof values)) return call.Refuse();
  wire::Query query;
  const wire::QueryVerdict verdict = wire::ParseQuery(message, &query);
  const wire::ClientSubnet& subnet = query.edns.subnet;
  values[query_word::kFlags] = query.flags;
  values[query_word::kType] = query.type;
  values[query_word::kDnsClass] = query.dns_class;
  values[query_word::kQuestionEnd] = query.question_end;
  values[query_word::kHasEdns] = query.edns.present;
  values[query_word::kDnssecOk] = query.edns.dnssec_ok;
  values[query_word::kEdnsVersion] = query.edns.version;
  values[query_word::kUdpSize] = query.edns.udp_size;
  values[query_word::kSubnetFamily] = subnet.family;
  values[query_word::kSubnetPrefix] = subnet.source_prefix;
  values[query_word::kSubnetAddress0] = Load32(subnet.address);
  values[query_word::kSubnetAddress1] = Load32(subnet.address + 4);
  values[query_word::kSubnetAddress2] = Load32(subnet.address + 8);
  values[query_word::kSubnetAddress3] = Load32(subnet.address + 12);
  std::memcpy(words.data(), values, sizeof values);
  return Int(env, static_cast<int32_t>(verdict));
}

}  // namespace shardns::addon
