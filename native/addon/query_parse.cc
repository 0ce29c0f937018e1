// The words of a parsed query; lib/native/binding.ts names them in this order.
#include "addon/query_parse.h"

#include "wire/question.h"

namespace shardns::addon {

napi_value ParseQuery(napi_env env, napi_callback_info info) {
  Arguments<2> args(env, info);
  MutableBytes message, words;
  if (args.count != 2 || !GetBytes(env, args.values[0], &message) || !GetBytes(env, args.values[1], &words)) {
    return ThrowArgument(env);
  }
  wire::Query query;
  const wire::QueryVerdict verdict = wire::ParseQuery(message, &query);
  const wire::ClientSubnet& subnet = query.edns.subnet;
  const uint32_t values[] = {
      query.flags,
      query.type,
      query.dns_class,
      query.question_end,
      query.edns.present,
      query.edns.dnssec_ok,
      query.edns.version,
      query.edns.udp_size,
      subnet.family,
      subnet.source_prefix,
      Load32(subnet.address),
      Load32(subnet.address + 4),
      Load32(subnet.address + 8),
      Load32(subnet.address + 12),
  };
  if (words.size() < sizeof values) return ThrowArgument(env);
  std::memcpy(words.data(), values, sizeof values);
  return Int(env, static_cast<int32_t>(verdict));
}

}  // namespace shardns::addon
