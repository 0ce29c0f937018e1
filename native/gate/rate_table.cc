// Limits to steps of time; finding, judging and moving the counters of a query.
#include "gate/rate_table.h"

#include <algorithm>

#include "base/prefetch.h"

namespace shardns::gate {

namespace {

constexpr uint64_t kUnitsPerUs = 8;
constexpr uint64_t kUnitsPerSecond = kUnitsPerUs * 1'000'000;
// A time further ahead than the longest window was left by another turn of its 42 bits, or by a clock that stepped
// back.
constexpr uint64_t kMaxWindow = uint64_t{3} * 3600 * kUnitsPerSecond;
constexpr uint64_t kMaxPerSecond = 1'000'000;

uint64_t StepOf(const RateLimit& limit) { return kUnitsPerSecond * 1000 / limit.per_second_thousandths; }

uint64_t HighBits(unsigned bits) { return bits == 0 ? 0 : bits >= 64 ? ~uint64_t{0} : ~uint64_t{0} << (64 - bits); }

bool IsV4(const ClientAddress& client) { return std::memcmp(client.octets, kMappedPrefix, sizeof kMappedPrefix) == 0; }

}  // namespace

bool IsValid(const RateLimit& limit) {
  return limit.v4_bits <= 32 && limit.v6_bits <= 128 && limit.per_second_thousandths >= 1 &&
         limit.per_second_thousandths <= kMaxPerSecond * 1000 && limit.burst >= 1 &&
         StepOf(limit) * limit.burst <= kMaxWindow;
}

RateClasses::RateClasses(std::span<const RateClass> classes) {
  SHARDNS_CHECK(classes.size() <= kMaxClasses);
  for (const RateClass& one : classes) {
    SHARDNS_CHECK(one.slip >= 1);
    Class& compiled = classes_.emplace_back();
    compiled.action = one.action;
    compiled.slip = one.slip;
    compiled.dry_run = one.dry_run;
    for (const RateLimit& limit : one.limits) {
      SHARDNS_CHECK(IsValid(limit));
      std::vector<Limit>& limits = compiled.limits[static_cast<size_t>(limit.kind)];
      SHARDNS_CHECK(limits.size() < kMaxLimits);
      const uint64_t step = StepOf(limit);
      limits.push_back({
          .step = step,
          .ahead = step * (limit.burst - 1),
          .v4_mask = HighBits(32u + limit.v4_bits),
          .v6_masks = {HighBits(limit.v6_bits), HighBits(limit.v6_bits < 64 ? 0 : limit.v6_bits - 64u)},
          .salt = (classes_.size() * kRateKinds + static_cast<size_t>(limit.kind)) * kMaxLimits + limits.size(),
      });
    }
  }
}

RateTable::RateTable(uint32_t counters, const HashSecret& secret)
    : secret_(secret), lines_(std::max<size_t>((size_t{counters} + kWays - 1) / kWays, 1)), table_(new Line[lines_]) {}

// The words of a client's prefixes, as they are hashed.
struct RateTable::Prefixes {
  explicit Prefixes(const ClientAddress& client)
      : v4(IsV4(client)),
        high(__builtin_bswap64(LoadNative<uint64_t>(client.octets))),
        low(__builtin_bswap64(LoadNative<uint64_t>(client.octets + 8))) {}
  const bool v4;
  const uint64_t high, low;
};

uint64_t RateTable::HashOf(const Prefixes& client, const RateClasses::Limit& limit) const {
  const uint64_t a = client.v4 ? client.high : client.high & limit.v6_masks[0];
  const uint64_t b = client.v4 ? client.low & limit.v4_mask : client.low & limit.v6_masks[1];
  // The salt comes after the secrets: beside the address, it could be undone by bits of another one.
  const uint64_t mixed = FoldedMultiply(a ^ secret_.words[2], b ^ secret_.words[0]);
  return FoldedMultiply(mixed ^ secret_.words[3] ^ limit.salt, secret_.words[1]);
}

void RateTable::Prefetch(const RateClasses& classes, const ClientAddress& client, uint32_t rate_class) const {
  const Prefixes prefixes(client);
  for (const RateClasses::Limit& limit : classes.LimitsOf(rate_class, RateKind::kQuery)) {
    PrefetchLineToWrite(LineOf(HashOf(prefixes, limit)));
  }
}

RateResult RateTable::Judge(const RateClasses& classes, const Question& question) {
  const auto& limits = classes.LimitsOf(question.rate_class, question.kind);
  if (limits.empty()) return {};
  const RateClasses::Class& rate_class = classes.classes_[question.rate_class];

  const Prefixes prefixes(question.client);
  struct Place {
    Line* line;
    uint64_t tag;
    size_t way;
    uint64_t time;
  };
  Place places[RateClasses::kMaxLimits];
  for (size_t i = 0; i < limits.size(); ++i) {
    const uint64_t hash = HashOf(prefixes, limits[i]);
    places[i].line = LineOf(hash);
    places[i].tag = hash << kTimeBits;
    PrefetchLineToWrite(places[i].line);
  }

  const uint64_t now = question.now_us * kUnitsPerUs & kTimeMask;
  bool over = false;
  for (size_t i = 0; i < limits.size(); ++i) {
    Place& place = places[i];
    uint64_t least = UINT64_MAX;
    place.time = now;
    // Two newcomers of one query take two words.
    uint32_t taken = 0;
    for (size_t j = 0; j < i; ++j) taken |= places[j].line == place.line ? 1u << places[j].way : 0;
    for (size_t way = 0; way < kWays; ++way) {
      const uint64_t word = place.line->words[way].load(std::memory_order_relaxed);
      const uint64_t ahead = (word - now) & kTimeMask;
      const uint64_t left = ahead <= kMaxWindow ? ahead : 0;
      if (((word ^ place.tag) & ~kTimeMask) == 0) {
        place.way = way;
        place.time = now + left;
        over |= left > limits[i].ahead;
        break;
      }
      if (left < least && (taken >> way & 1) == 0) {
        least = left;
        place.way = way;
      }
    }
  }
  if (!over) {
    for (size_t i = 0; i < limits.size(); ++i) {
      const Place& place = places[i];
      place.line->words[place.way].store(place.tag | ((place.time + limits[i].step) & kTimeMask),
                                         std::memory_order_relaxed);
    }
    return {};
  }
  RateResult result = {.verdict = RateVerdict::kDrop, .over = true};
  const uint32_t turn = (*question.turn)++;
  if (rate_class.dry_run) {
    result.verdict = RateVerdict::kAllow;
  } else if (rate_class.action == RateAction::kRefuse) {
    result.verdict = RateVerdict::kRefuse;
  } else if (rate_class.action == RateAction::kTruncate ||
             (rate_class.action == RateAction::kSlip && turn % rate_class.slip == 0)) {
    result.verdict = RateVerdict::kTruncate;
  }
  return result;
}

}  // namespace shardns::gate
