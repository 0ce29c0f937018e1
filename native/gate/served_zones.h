// Zones whose servers have rules, by name (rpz-nsdname) or by address (rpz-nsip): noted as delegations are learnt,
// asked of each answer. Who is in none of them, as most are, pays for a look at a bit mask and one slot a label.
//
// One thread writes, any read: slots are atomic, and what they point to is never changed. What takes the place of
// another leaves that in memory until the whole goes, which is when other lists are in force.
//
// Bound: kMaxEntries zones and changes of them, about 150 octets each; 1 MiB of slots.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "gate/name_list.h"

namespace shardns::gate {

// What a rule is about (draft-vixie-dnsop-dns-rpz section 4), in the order of their precedence. Only the first two are
// known before anything is looked up.
enum class Trigger : uint8_t { kClientAddress, kQuestion, kAnswerAddress, kServerName, kServerAddress };

struct ServedRule {
  NameMatch match;
  Trigger trigger;
};

class ServedZones {
 public:
  static constexpr size_t kMaxEntries = size_t{1} << 16;

  explicit ServedZones(uint64_t seed)
      : secret_(ExpandSeed(seed)), slots_(std::make_unique<std::atomic<const Zone*>[]>(kSlots)) {}

  // What holds for a zone from now on, the rule that decides first; none: nothing. False: there is no room.
  [[nodiscard]] bool Put(Bytes zone, std::vector<ServedRule> rules);
  // Of a folded name: of the zones that it lies in the rule of the lowest tier, then by trigger, then of the deepest.
  std::optional<ServedRule> Find(Bytes name, uint64_t lists) const;
  bool empty() const { return !any_.load(std::memory_order_acquire); }
  size_t memory_bytes() const;

 private:
  static constexpr size_t kSlots = kMaxEntries * 2;
  struct Zone {
    std::vector<uint8_t> name;
    std::vector<ServedRule> rules;
  };
  size_t SlotOf(Bytes name) const { return KeyedHash(secret_, name.data(), name.size(), 0) % kSlots; }

  const HashSecret secret_;
  const std::unique_ptr<std::atomic<const Zone*>[]> slots_;
  std::atomic<bool> any_{false};
  std::atomic<uint64_t> depths_[2] = {};  // numbers of labels that zones have
  std::vector<std::unique_ptr<const Zone>> entries_;
};

}  // namespace shardns::gate
