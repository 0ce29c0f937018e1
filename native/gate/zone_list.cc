// Records of a response policy zone.
#include "gate/zone_list.h"

#include <algorithm>

namespace shardns::gate {

namespace {

constexpr std::string_view kClientIp = "rpz-client-ip", kIp = "rpz-ip", kNsdname = "rpz-nsdname", kNsip = "rpz-nsip";

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> lower) {
  return std::any_of(lower.begin(), lower.end(), [&](std::string_view one) { return EqualsIgnoringCase(word, one); });
}

// A TTL, perhaps with units (BIND's), in seconds.
bool ReadTtl(std::string_view word, std::string* out) {
  uint64_t seconds = 0, number = 0;
  bool digits = false;
  for (const char c : word) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<uint64_t>(c - '0');
      digits = true;
      if (number > INT32_MAX) return false;
      continue;
    }
    const uint64_t unit = c == 's' || c == 'S'   ? 1
                          : c == 'm' || c == 'M' ? 60
                          : c == 'h' || c == 'H' ? 3600
                          : c == 'd' || c == 'D' ? 86'400
                          : c == 'w' || c == 'W' ? 604'800
                                                 : 0;
    if (unit == 0 || !digits) return false;
    seconds += number * unit;
    number = 0;
    digits = false;
  }
  seconds += number;
  if (word.empty() || seconds > INT32_MAX) return false;
  *out = std::to_string(seconds);
  return true;
}

// The last label, as text; names of triggers are plain.
std::string_view LastLabel(const WireName& name, size_t* at) {
  *at = 0;
  for (size_t here = 0; name.octets[here] != 0; here += 1u + name.octets[here]) *at = here;
  return {reinterpret_cast<const char*>(name.octets) + *at + 1, name.octets[*at]};
}

}  // namespace

ZoneListReader::ZoneListReader(ListRules& rules) : rules_(rules) {
  origin_.octets[0] = 0;
  origin_.size = 1;
  const std::string& origin = rules.source().origin;
  if (!origin.empty()) has_apex_ = ReadZoneName(origin, origin_, &apex_);
  if (has_apex_) origin_ = apex_;
}

// Adds a line to the record. False: it cannot be one.
bool ZoneListReader::Gather(std::string_view line, bool* whole) {
  bool good = true;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && i + 1 < line.size()) {
      record_.append(line.substr(i, 2));
      ++i;
    } else if (c == '"') {
      quoted_ = !quoted_;
      record_ += c;
    } else if (quoted_) {
      record_ += c;
    } else if (c == ';') {
      break;
    } else if (c == '(' || c == ')') {
      depth_ += c == '(' ? 1 : -1;
      record_ += ' ';
      if (depth_ < 0) {
        depth_ = 0;
        good = false;
      }
    } else {
      record_ += c == '\r' ? ' ' : c;
    }
  }
  if (quoted_) {  // a string ends on its line
    quoted_ = false;
    good = false;
  }
  too_long_ |= record_.size() > kMaxRecord;
  if (too_long_) record_.clear();
  record_ += ' ';
  *whole = depth_ == 0;
  return good;
}

ListLine ZoneListReader::Read(std::string_view line, uint32_t number) {
  if (record_.empty()) first_line_ = number;
  bool whole;
  const bool good = Gather(line, &whole);
  if (!whole && good) return ListLine::kNothing;
  depth_ = 0;
  const ListLine result = good && !too_long_ ? ReadRecord(first_line_) : ListLine::kBroken;
  record_.clear();
  too_long_ = false;
  return result;
}

ListLine ZoneListReader::ReadDirective(std::string_view rest) {
  const std::string_view name = NextWord(&rest), value = NextWord(&rest);
  if (EqualsIgnoringCase(name, "$ttl")) return ReadTtl(value, &ttl_) ? ListLine::kNothing : ListLine::kBroken;
  WireName origin;
  if (!EqualsIgnoringCase(name, "$origin")) return ListLine::kUnsupported;  // $INCLUDE, $GENERATE
  if (!ReadZoneName(value, origin_, &origin)) return ListLine::kBroken;
  origin_ = origin;
  return ListLine::kNothing;
}

ListLine ZoneListReader::ReadRecord(uint32_t number) {
  std::string_view rest = record_;
  if (Trim(rest).empty()) return ListLine::kNothing;
  if (rest.front() == '$') return ReadDirective(rest);
  if (rest.front() == ' ' || rest.front() == '\t') {
    if (!has_owner_) return ListLine::kBroken;
  } else {
    has_owner_ = ReadZoneName(NextWord(&rest), origin_, &owner_);
    if (!has_owner_) return ListLine::kBroken;
  }
  // TTL and class in any order, both may be left out.
  RecordText record = {.type = NextWord(&rest), .rdata = {}, .ttl = ttl_};
  for (int i = 0; i < 2; ++i) {
    std::string ttl;
    if (EqualsIgnoringCase(record.type, "in")) {
      record.type = NextWord(&rest);
    } else if (ReadTtl(record.type, &ttl)) {
      record.ttl = std::move(ttl);
      record.type = NextWord(&rest);
    }
  }
  record.rdata = Trim(rest);
  if (record.type.empty() || record.rdata.empty() || IsOneOf(record.type, {"ch", "hs", "cs"})) return ListLine::kBroken;
  if (EqualsIgnoringCase(record.type, "soa")) {
    if (!has_apex_) {
      apex_ = owner_;
      has_apex_ = true;
    }
    return ListLine::kNothing;
  }
  return ReadRule(record, number);
}

// What stands before the zone's name.
bool ZoneListReader::ReadTrigger(ListRules::Owner* owner, WireName* name, Prefix* prefix) const {
  *name = owner_;
  name->size -= apex_.size - 1;
  name->octets[name->size - 1] = 0;
  size_t last;
  const std::string_view label = LastLabel(*name, &last);
  *owner = {.trigger = Trigger::kQuestion};
  if (label.starts_with("rpz-")) {
    if (label == kNsdname) {
      owner->trigger = Trigger::kServerName;
    } else if (label == kClientIp || label == kIp || label == kNsip) {
      owner->trigger = label == kClientIp ? Trigger::kClientAddress
                       : label == kIp     ? Trigger::kAnswerAddress
                                          : Trigger::kServerAddress;
    } else {
      return false;
    }
    name->octets[last] = 0;
    name->size = last + 1;
    if (last == 0) return false;
  }
  if (owner->trigger == Trigger::kQuestion || owner->trigger == Trigger::kServerName) {
    if (name->octets[0] == 1 && name->octets[1] == '*') {
      owner->kind = NameKind::kBelow;
      name->size -= 2;
      std::memmove(name->octets, name->octets + 2, name->size);
    }
    owner->octets.assign(reinterpret_cast<const char*>(name->octets), name->size);
    return true;
  }
  std::string text;
  AppendZoneName(name->bytes(), &text);
  text.pop_back();
  if (!ReadReversedPrefix(text, prefix)) return false;
  owner->octets.assign(reinterpret_cast<const char*>(prefix), sizeof *prefix);
  return true;
}

ListLine ZoneListReader::Put(const ListRules::Owner& owner, const WireName& name, const Prefix& prefix, RuleSays says,
                             uint32_t number) {
  if (owner.trigger == Trigger::kQuestion) return rules_.Name(name, owner.kind, says, number);
  if (owner.trigger == Trigger::kServerName) return rules_.ServerName(name, owner.kind, says, number);
  return rules_.Address(owner.trigger, prefix, says, number);
}

ListLine ZoneListReader::ReadRule(const RecordText& record, uint32_t number) {
  if (!has_apex_ || !wire::IsAtOrBelow(owner_.bytes(), apex_.bytes())) return ListLine::kBroken;
  if (owner_.size == apex_.size) {  // NS records of the zone itself, and the like
    return IsOneOf(record.type, {"ns", "txt", "a", "aaaa"}) ? ListLine::kNothing : ListLine::kUnsupported;
  }
  // What an answer of one's own cannot be (section 3.6 of the draft).
  if (IsOneOf(record.type, {"dname", "rrsig", "nsec", "nsec3", "nsec3param", "dnskey", "ds", "ns", "soa", "sig", "key",
                            "nxt", "cds", "cdnskey"})) {
    return ListLine::kUnsupported;
  }
  ListRules::Owner owner;
  WireName name;
  Prefix prefix = {};
  if (!ReadTrigger(&owner, &name, &prefix)) return ListLine::kBroken;
  const std::string ttl = record.ttl.empty() ? "" : record.ttl + " ";
  if (!EqualsIgnoringCase(record.type, "cname")) {
    std::string type(record.type);
    for (char& c : type) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
    Prefix address;
    const bool v6 = type == "AAAA";
    if ((v6 || type == "A") && (!ReadAddress(record.rdata, &address) || address.v6 != v6)) return ListLine::kBroken;
    std::string rdata(record.rdata);
    // The last field is a name, which is below the origin where no dot ends it.
    if (IsOneOf(record.type, {"mx", "srv", "ptr", "kx", "rt", "afsdb"})) {
      const size_t at = rdata.find_last_of(" \t") + 1;
      WireName host;
      if (!ReadZoneName(std::string_view(rdata).substr(at), origin_, &host)) return ListLine::kBroken;
      rdata.resize(at);
      AppendZoneName(host.bytes(), &rdata);
    }
    return rules_.Record(owner, ttl + type + " " + rdata, number);
  }
  WireName target;
  std::string_view rest = record.rdata;
  if (!ReadZoneName(NextWord(&rest), origin_, &target) || !Trim(rest).empty()) return ListLine::kBroken;
  const auto is = [&](std::initializer_list<uint8_t> octets) {
    return target.size == octets.size() && std::equal(octets.begin(), octets.end(), target.octets);
  };
  ListAction action;
  size_t last;
  const std::string_view label = LastLabel(target, &last);
  if (is({0})) {
    action = ListAction::kNxDomain;
  } else if (is({1, '*', 0})) {
    action = ListAction::kNoData;
  } else if (label == "rpz-passthru" && last == 0) {
    action = ListAction::kPass;
  } else if (label == "rpz-drop" && last == 0) {
    action = ListAction::kDrop;
  } else if (label == "rpz-tcp-only" && last == 0) {
    action = ListAction::kTruncate;
  } else if (label.starts_with("rpz-")) {
    return ListLine::kUnsupported;
  } else if (owner.trigger == Trigger::kQuestion && owner.kind == NameKind::kExact && target.size == name.size &&
             std::memcmp(target.octets, name.octets, name.size) == 0) {
    action = ListAction::kPass;  // the old form of it: the name itself
  } else {
    std::string text = ttl + "CNAME ";
    AppendZoneName(target.bytes(), &text);
    return rules_.Record(owner, std::move(text), number);
  }
  return Put(owner, name, prefix, {.action = action}, number);
}

}  // namespace shardns::gate
