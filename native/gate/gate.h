// Who may ask, and under which tag: decided once for each query, before anything is looked up, by the same object for
// every way in.
//
// Its rules are compiled, then replaced whole while readers judge by them (base/published.h): a reader takes them for
// a batch, or for one query. Without rules there is nothing to take: everybody may ask, under the tag 0.
//
// Bound: PrefixMap::kMaxRules rules, of which two sets exist while one is replaced, and the clients' table.
#pragma once
#include <optional>

#include "base/published.h"
#include "gate/client_table.h"
#include "gate/prefix_map.h"

namespace shardns::gate {

// What holds for clients inside a prefix. What a rule leaves open is told by the next longer prefix around it.
struct ClientRule {
  Prefix prefix;
  bool allow = false;                // they may ask
  std::optional<uint32_t> tag = {};  // whose answers they share, at most kMaxRuleTag
  std::optional<uint8_t> rate_class = {};
  std::optional<uint8_t> list_set = {};  // which lists apply to them, at most kMaxListSet
};
inline constexpr uint32_t kMaxRuleTag = (1u << 16) - 1;
inline constexpr uint32_t kMaxListSet = (1u << 6) - 1;

struct RuleSet {
  std::span<const ClientRule> rules;
  bool everybody = true;  // whoever no rule allows may ask, too
  uint32_t clients = 0;   // of so many the tag is what Remember was told; 0 = it is what the rules say
};

struct Judgement {
  bool allowed;
  uint32_t tag;  // kUnknownTag: of a client that has to be told apart yet
  uint8_t rate_class = 0;
  uint8_t list_set = 0;
};

class Rules {
 public:
  Rules(const RuleSet& set, std::shared_ptr<ClientTable> clients);

  // A client at an address of 4 or 16 octets.
  Judgement Judge(Bytes address, Ticks now) const {
    const uint32_t value = prefixes_.Find(address);
    Judgement judgement = {.allowed = (value & kAllow) != 0,
                           .tag = value >> kTagShift & kMaxRuleTag,
                           .rate_class = static_cast<uint8_t>(value >> kClassShift),
                           .list_set = static_cast<uint8_t>(value >> kSetShift & kMaxListSet)};
    if (clients_ != nullptr) {
      judgement.tag = judgement.allowed ? clients_->Find(ClientAddress::Of(address), now) : kUnknownTag;
    }
    return judgement;
  }
  size_t memory_bytes() const { return prefixes_.memory_bytes(); }

 private:
  //  31  30      25  24        17  16  1  0
  //  | 0 | list set | rate class | tag  | allow |
  static constexpr uint32_t kAllow = 1;
  static constexpr unsigned kTagShift = 1, kClassShift = 17, kSetShift = 25;
  static_assert(uint64_t{kMaxListSet} << kSetShift <= PrefixMap::kMaxValue);

  static PrefixMap Compile(const RuleSet& set);

  const PrefixMap prefixes_;
  const std::shared_ptr<ClientTable> clients_;
};

class Gate {
 public:
  explicit Gate(const HashSecret& secret) : secret_(secret) {}

  // One thread that judges. It ends before the gate does.
  //   const auto rules = reader.Take();
  //   const Judgement judgement = rules ? rules->Judge(address, now) : kOpen;
  using Reader = Published<Rules>::Reader;
  Published<Rules>& rules() { return rules_; }
  static constexpr Judgement kOpen = {.allowed = true, .tag = 0};

  // The rest belongs to one thread.

  // Clients that are remembered stay so, where there is room for as many as before.
  void Replace(const RuleSet& set);
  // Does nothing where clients are not told apart one by one.
  void Remember(Bytes address, uint32_t tag, uint32_t seconds);
  void ForgetClients();
  uint32_t clients() const { return clients_ == nullptr ? 0 : clients_->size(); }
  size_t memory_bytes() const { return rule_bytes_ + (clients_ == nullptr ? 0 : clients_->memory_bytes()); }

  // Any thread.
  Ticks Now(uint64_t monotonic_ms) const {
    return TicksFromMs(monotonic_ms + clock_shift_ms_.load(std::memory_order_relaxed));
  }
  // For tests.
  void ShiftClock(uint64_t ms) { clock_shift_ms_.store(ms, std::memory_order_relaxed); }

 private:
  const HashSecret secret_;
  Published<Rules> rules_;
  std::shared_ptr<ClientTable> clients_;
  uint32_t room_ = 0;  // clients that the table was made for
  size_t rule_bytes_ = 0;
  std::atomic<uint64_t> clock_shift_ms_{0};
};

}  // namespace shardns::gate
