// A zone packed as lib/zone/packed-nodes.ts packs them, of records that tests write down. Names need no order here:
// they are found by their hash.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "zones/zone_view.h"

namespace shardns::test {

using Octets = std::vector<uint8_t>;

// "a.b" as labels; the root's only with `rooted`.
inline Octets LabelsOf(std::string_view text, bool rooted = false) {
  Octets out;
  while (!text.empty()) {
    const size_t dot = std::min(text.find('.'), text.size());
    out.push_back(static_cast<uint8_t>(dot));
    for (size_t i = 0; i < dot; ++i) out.push_back(static_cast<uint8_t>(text[i]));
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  if (rooted) out.push_back(0);
  return out;
}
inline Octets NameOf(std::string_view text) { return LabelsOf(text, true); }

inline constexpr HalfSipKey kNamesKey = {{0x01234567, 0x89abcdef}};

class PackedZone {
 public:
  // Labels of an owner without the apex's.
  PackedZone& Add(std::string_view owner, uint16_t type, const Octets& data, uint32_t ttl = 300) {
    return Add(LabelsOf(owner), type, data, ttl);
  }
  PackedZone& Add(const Octets& labels, uint16_t type, const Octets& data, uint32_t ttl = 300, uint16_t covers = 0) {
    Node& node = NodeOf(labels);
    Set& set = node.sets[{type, covers}];
    set.ttl = ttl;
    set.records.push_back(data);
    if (type == wire::type::kNs && !labels.empty()) node.flags |= zones::node_flag::kCut;
    if (type == wire::type::kDname) node.flags |= zones::node_flag::kDname;
    if (type == wire::type::kCname) node.flags |= zones::node_flag::kCname;
    return *this;
  }
  PackedZone& Mark(std::string_view owner, uint8_t flags) {
    NodeOf(LabelsOf(owner)).flags |= flags;
    return *this;
  }
  PackedZone& Soa(const Octets& apex, uint32_t minimum = 60) {
    Octets data = apex, mailbox = LabelsOf("hostmaster");
    mailbox.insert(mailbox.end(), apex.begin(), apex.end());
    data.insert(data.end(), mailbox.begin(), mailbox.end());
    for (const uint32_t number : {1u, 3600u, 600u, 86400u, minimum}) Put32(&data, number);
    return Add(Octets{}, wire::type::kSoa, data);
  }

  // Valid as long as this object, until more is added.
  zones::PackedNodes Pack() {
    names_.clear();
    data_.clear();
    name_at_.assign(1, 0);
    data_at_.assign(1, 0);
    flags_.clear();
    size_t room = 4;
    while (room < 2 * nodes_.size()) room *= 2;
    slots_.assign(room, 0);
    for (const auto& [labels, node] : nodes_) {
      const uint32_t hash = HalfSipHash(kNamesKey, labels.data(), labels.size());
      size_t slot = hash & (room - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (room - 1);
      slots_[slot] = static_cast<uint32_t>(flags_.size() + 1);
      names_.insert(names_.end(), labels.begin(), labels.end());
      name_at_.push_back(static_cast<uint32_t>(names_.size()));
      for (const auto& [kind, set] : node.sets) {
        size_t octets = 0;
        for (const Octets& record : set.records) octets += 2 + record.size();
        Put16(&data_, kind.first);
        Put16(&data_, kind.second);
        Put32(&data_, set.ttl);
        Put16(&data_, static_cast<uint16_t>(set.records.size()));
        Put32(&data_, static_cast<uint32_t>(octets));
        for (const Octets& record : set.records) {
          Put16(&data_, static_cast<uint16_t>(record.size()));
          data_.insert(data_.end(), record.begin(), record.end());
        }
      }
      data_at_.push_back(static_cast<uint32_t>(data_.size()));
      flags_.push_back(static_cast<uint8_t>(node.flags | (node.sets.empty() ? zones::node_flag::kEmpty : 0)));
    }
    zones::PackedNodes packed;
    packed.names = names_;
    packed.name_at = name_at_;
    packed.data = data_;
    packed.data_at = data_at_;
    packed.flags = flags_;
    packed.slots = slots_;
    return packed;
  }

 private:
  struct Set {
    uint32_t ttl = 0;
    std::vector<Octets> records;
  };
  struct Node {
    uint8_t flags = 0;
    std::map<std::pair<uint16_t, uint16_t>, Set> sets;
  };
  // With those above it, which exist because it does.
  Node& NodeOf(const Octets& labels) {
    if (!labels.empty()) NodeOf(Octets(labels.begin() + 1 + labels[0], labels.end()));
    return nodes_[labels];
  }
  static void Put16(Octets* out, uint16_t value) {
    out->push_back(static_cast<uint8_t>(value >> 8));
    out->push_back(static_cast<uint8_t>(value));
  }
  static void Put32(Octets* out, uint32_t value) {
    Put16(out, static_cast<uint16_t>(value >> 16));
    Put16(out, static_cast<uint16_t>(value));
  }

  std::map<Octets, Node> nodes_;
  Octets names_, data_, flags_;
  std::vector<uint32_t> name_at_, data_at_, slots_;
};

// A question that `query` views.
inline Octets AskFor(const Octets& name, uint16_t type, wire::Query* query) {
  Octets message = {0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  message.insert(message.end(), name.begin(), name.end());
  for (const uint16_t word : {type, wire::kClassIn}) {
    message.push_back(static_cast<uint8_t>(word >> 8));
    message.push_back(static_cast<uint8_t>(word));
  }
  SHARDNS_CHECK(wire::ParseQuery(message, query) == wire::QueryVerdict::kAnswer);
  return message;
}

}  // namespace shardns::test
