// The rules of the edge (gate/edge.h) as JavaScript writes them.
#pragma once
#include <memory>

#include "addon/call.h"
#include "gate/edge.h"

namespace shardns::addon {

// The counters of rates, which stay while the rules are replaced.
struct RateCounters {
  std::shared_ptr<gate::RateTable> table;
  uint32_t counters = 0;
};

// Of the property `edge`; undefined there is no edge, and `*edge` null. False: `options` says what is wrong.
//   {secrets, requireCookie, classes, counters, lists, overrides, sets, ttlSeconds, errors, names, records, recordEnds}
bool ReadEdge(napi_env env, Properties* options, const HashSecret& secret, RateCounters* rates,
              std::shared_ptr<const gate::Edge>* edge);

// A translator's prefix: its 16 octets, and how many bits of them count; none: there is none. False: it is no such one.
bool ReadTranslation(Bytes octets, gate::TranslationPrefix* out);

}  // namespace shardns::addon
