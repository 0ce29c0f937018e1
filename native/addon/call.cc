// Properties of an argument, and what is said of one that is not what the native side was to get.
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

napi_value Properties::Get(const char* property) const {
  napi_value value;
  if (napi_get_named_property(env_, object_, property, &value) == napi_ok) return value;
  // Of undefined and null there are no properties: that is an exception of its own.
  bool pending = false;
  napi_value ignored;
  if (napi_is_exception_pending(env_, &pending) == napi_ok && pending) {
    napi_get_and_clear_last_exception(env_, &ignored);
  }
  napi_get_undefined(env_, &value);
  return value;
}

bool Properties::Read(const char* property, bool* out) {
  uint32_t number;
  if (!Read(property, &number)) return false;
  *out = number != 0;
  return true;
}

bool Properties::Read(const char* high, const char* low, uint64_t* out) {
  uint32_t halves[2];
  if (!Read(high, &halves[0]) || !Read(low, &halves[1])) return false;
  *out = static_cast<uint64_t>(halves[0]) << 32 | halves[1];
  return true;
}

napi_value Properties::Refuse() const {
  char text[128];
  std::snprintf(text, sizeof text, "%s.%s: expected %s", name_, wrong_, expected_);
  return Throw(env_, "ERR_SHARDNS_INTERNAL", text);
}

}  // namespace shardns::addon
