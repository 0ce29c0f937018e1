// Who may ask, and under which tag: decided once for each query, before anything is looked up, by the same object for
// every way in. With it goes what else is decided then (edge.h), so that no query is judged by some of the old rules
// and some of the new.
//
// Its rules are compiled, then replaced whole while readers judge by them (base/published.h): a reader takes them for
// a batch, or for one query. Without rules there is nothing to take: everybody may ask, under the tag 0.
//
// Bound: PrefixMap::kMaxRules rules, of which two sets exist while one is replaced, and the clients' table.
#pragma once
#include <optional>
#include <vector>

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

class Edge;
struct EdgeCounts;

struct RuleSet {
  std::span<const ClientRule> rules;
  bool everybody = true;  // whoever no rule allows may ask, too
  uint32_t clients = 0;   // of so many the tag is what Remember was told; 0 = it is what the rules say
  std::shared_ptr<const Edge> edge = nullptr;
};

struct Judgement {
  bool allowed;
  uint32_t tag;  // kUnknownTag: of a client that has to be told apart yet
  uint8_t rate_class = 0;
  uint8_t list_set = 0;
};

class Rules {
 public:
  Rules(std::shared_ptr<const PrefixMap> prefixes, std::shared_ptr<ClientTable> clients,
        std::shared_ptr<const Edge> edge);
  static std::shared_ptr<const PrefixMap> Compile(const RuleSet& set);

  // A client at an address of 4 or 16 octets.
  Judgement Judge(Bytes address, Ticks now) const {
    const uint32_t value = prefixes_->Find(address);
    Judgement judgement = {.allowed = (value & kAllow) != 0,
                           .tag = value >> kTagShift & kMaxRuleTag,
                           .rate_class = static_cast<uint8_t>(value >> kClassShift),
                           .list_set = static_cast<uint8_t>(value >> kSetShift & kMaxListSet)};
    if (clients_ != nullptr) {
      judgement.tag = judgement.allowed ? clients_->Find(ClientAddress::Of(address), now) : kUnknownTag;
    }
    return judgement;
  }
  // Null: nothing is decided there.
  const Edge* edge() const { return edge_.get(); }

 private:
  //  31  30      25  24        17  16  1  0
  //  | 0 | list set | rate class | tag  | allow |
  static constexpr uint32_t kAllow = 1;
  static constexpr unsigned kTagShift = 1, kClassShift = 17, kSetShift = 25;
  static_assert(uint64_t{kMaxListSet} << kSetShift <= PrefixMap::kMaxValue);

  const std::shared_ptr<const PrefixMap> prefixes_;
  const std::shared_ptr<ClientTable> clients_;
  const std::shared_ptr<const Edge> edge_;
};

class Gate {
 public:
  explicit Gate(const HashSecret& secret) : secret_(secret) {}
  ~Gate();

  // One thread that judges. It ends before the gate does.
  //   const auto rules = reader.Take();
  //   const Judgement judgement = rules ? rules->Judge(address, now) : kOpen;
  using Reader = Published<Rules>::Reader;
  Published<Rules>& rules() { return rules_; }
  static constexpr Judgement kOpen = {.allowed = true, .tag = 0};

  // The rest belongs to one thread.

  // Clients that are remembered stay so, where there is room for as many as before.
  void Replace(const RuleSet& set);
  // The edge alone; the other rules stay, and are not compiled again.
  void ReplaceEdge(std::shared_ptr<const Edge> edge);
  // Does nothing where clients are not told apart one by one.
  void Remember(Bytes address, uint32_t tag, uint32_t seconds);
  void ForgetClients();
  uint32_t clients() const { return clients_ == nullptr ? 0 : clients_->size(); }
  size_t memory_bytes() const;

  // Any thread.

  // For one that judges by the edge; what it has counted stays counted.
  std::shared_ptr<EdgeCounts> NewEdgeCounts();
  void ReadEdgeCounts(EdgeCounts* sum);
  Ticks Now(uint64_t monotonic_ms) const {
    return TicksFromMs(monotonic_ms + clock_shift_ms_.load(std::memory_order_relaxed));
  }
  uint64_t NowUs(uint64_t monotonic_us) const {
    return monotonic_us + clock_shift_ms_.load(std::memory_order_relaxed) * 1000;
  }
  // Of the clock that cookies go by, which all servers of one address share (RFC 9018 section 5).
  uint32_t WallSeconds() const {
    return shardns::WallSeconds() + static_cast<uint32_t>(clock_shift_ms_.load(std::memory_order_relaxed) / 1000);
  }
  // For tests.
  void ShiftClock(uint64_t ms) { clock_shift_ms_.store(ms, std::memory_order_relaxed); }

 private:
  void Publish();

  const HashSecret secret_;
  Published<Rules> rules_;
  std::shared_ptr<const PrefixMap> prefixes_;  // null: everybody may ask, under the tag 0
  std::shared_ptr<ClientTable> clients_;
  std::shared_ptr<const Edge> edge_;
  uint32_t room_ = 0;                                              // clients that the table was made for
  Guarded<std::vector<std::shared_ptr<EdgeCounts>>> edge_counts_;  // the first: of those that judge no more
  std::atomic<uint64_t> clock_shift_ms_{0};
};

}  // namespace shardns::gate
