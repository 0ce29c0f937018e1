// What is said of an argument that is not what the native side was to get.
#include "addon/call.h"

#include <cstdio>

namespace shardns::addon {

napi_value ThrowWrong(napi_env env, const char* names, const WrongArgument& wrong) {
  std::string_view rest(names);
  for (size_t i = 0; i < wrong.at; ++i) rest.remove_prefix(rest.find(',') + 1);
  std::string_view name = rest.substr(0, rest.find(','));
  while (name.starts_with(' ')) name.remove_prefix(1);
  char text[256], least[48] = "";
  if (wrong.least_octets != 0) std::snprintf(least, sizeof least, " of at least %zu octets", wrong.least_octets);
  std::snprintf(text, sizeof text, "argument %zu (%.*s): expected %s%s", wrong.at + 1, static_cast<int>(name.size()),
                name.data(), wrong.expected, least);
  return Throw(env, "ERR_SHARDNS_INTERNAL", text);
}

}  // namespace shardns::addon
