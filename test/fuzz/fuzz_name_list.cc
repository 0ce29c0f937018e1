// Rules from the input in a name list, asked by names from the input, against a search through all of them.
#include "gate/list_model.h"

using namespace shardns;
using namespace shardns::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size_t at = 0;
  const auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
  // Labels of few letters and lengths, so that names meet; any octet in one of sixteen.
  const auto name = [&] {
    std::vector<uint8_t> out;
    const uint8_t labels = next() % 8;
    for (uint8_t i = 0; i < labels; ++i) {
      const uint8_t form = next();
      const uint8_t length = form >= 0xF0 ? 1 + form % 16 * 4 : 1 + form % 2;
      if (out.size() + length + 2 > wire::kMaxNameSize) break;
      out.push_back(length);
      for (uint8_t k = 0; k < length; ++k) {
        const uint8_t octet = form >= 0xF0 ? next() : 'a' + (form >> (1 + k % 4) & 1);
        out.push_back(wire::FoldOctet(octet));
      }
    }
    out.push_back(0);
    return out;
  };
  const uint64_t seed = next();
  std::vector<ModelRule> rules;
  for (size_t count = next() % 48; count > 0 && at < size; --count) {
    const uint8_t form = next();
    rules.push_back({.name = name(),
                     .kind = static_cast<gate::NameKind>(form % 3),
                     .policy = {.list = static_cast<uint8_t>(form >> 2 & 1),
                                .tier = static_cast<uint8_t>(form >> 3 & 1),
                                .action = static_cast<gate::ListAction>(form >> 4 & 3)},
                     .line = static_cast<uint32_t>(rules.size()),
                     .cancels = (form & 0xC0) == 0xC0});
  }
  const auto list = ListOf(rules, seed);
  const auto ask = [&](const std::vector<uint8_t>& asked) {
    for (uint64_t lists = 0; lists < 4; ++lists) {
      const auto match = list->Find(asked, lists);
      const auto expected = FindInModel(rules, asked, lists);
      SHARDNS_CHECK(match.has_value() == expected.has_value());
      SHARDNS_CHECK(!match || match->policy == *expected);
    }
  };
  for (const ModelRule& rule : rules) {
    ask(rule.name);
    if (rule.name.size() + 2 > wire::kMaxNameSize) continue;
    std::vector<uint8_t> below = {1, 'A'};
    below.insert(below.end(), rule.name.begin(), rule.name.end());
    ask(below);
  }
  while (at < size) ask(name());
  return 0;
}
