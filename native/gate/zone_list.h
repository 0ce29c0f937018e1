// A response policy zone as a file (draft-vixie-dnsop-dns-rpz; master file syntax: RFC 1035 section 5.1): its records
// to rules, all triggers and all actions. Takes one line after another; a record may go over several.
//
// Bound: kMaxRecord octets of a record, over all its lines.
#pragma once
#include "gate/list_rules.h"

namespace shardns::gate {

class ZoneListReader {
 public:
  static constexpr size_t kMaxRecord = 16'384;

  // `rules` has begun with its source.
  explicit ZoneListReader(ListRules& rules);
  // kNothing also of a line that a record goes on behind.
  ListLine Read(std::string_view line, uint32_t number);
  // The file has ended. kBroken: in the middle of a record.
  ListLine End() const { return depth_ == 0 ? ListLine::kNothing : ListLine::kBroken; }

 private:
  struct RecordText {
    std::string_view type, rdata;
    std::string ttl;
  };
  bool Gather(std::string_view line, bool* whole);
  ListLine ReadRecord(uint32_t number);
  ListLine ReadDirective(std::string_view rest);
  ListLine ReadRule(const RecordText& record, uint32_t number);
  bool ReadTrigger(ListRules::Owner* owner, WireName* name, Prefix* prefix) const;
  ListLine Put(const ListRules::Owner& owner, const WireName& name, const Prefix& prefix, RuleSays says,
               uint32_t number);

  ListRules& rules_;
  WireName apex_, origin_, owner_;
  bool has_apex_ = false, has_owner_ = false;
  std::string ttl_;
  // The record so far, without comments and line ends; parentheses that are open.
  std::string record_;
  int depth_ = 0;
  bool quoted_ = false, too_long_ = false;
  uint32_t first_line_ = 0;
};

}  // namespace shardns::gate
