// One pass over an answer.
#include "gate/answer_rules.h"

#include <algorithm>

#include "wire/ttl_scan.h"

namespace shardns::gate {

namespace {
constexpr uint16_t kIpv4Hint = 4, kIpv6Hint = 6;  // RFC 9460 section 14.3.2
}  // namespace

bool TranslationPrefix::Embedded(Bytes address, uint8_t (&out)[4]) const {
  if (bits == 0 || address.size() != 16 || std::memcmp(address.data(), octets, bits / 8) != 0) return false;
  constexpr size_t kReserved = 8;  // "u": bits 64 to 71
  size_t at = bits / 8;
  for (uint8_t& octet : out) {
    if (at == kReserved) ++at;
    octet = address[at++];
  }
  return true;
}

void AnswerSearch::Take(const NameMatch& match, Trigger trigger, bool by_override) {
  best_ = at_;
  best_->match = match;
  best_->by_override = by_override;
  best_trigger_ = trigger;
}

void AnswerSearch::Name(size_t name) {
  uint8_t folded[wire::kMaxNameSize];
  const size_t size = wire::ExpandFolded(reply_, name, folded);
  if (size <= 1) return;
  if (rules_.overrides != nullptr) {
    if (const auto match = rules_.overrides->FindName({folded, size}, UINT64_MAX)) {
      return Take(*match, Trigger::kQuestion, true);
    }
  }
  if (rules_.lists == nullptr) return;
  const auto match = rules_.lists->FindName({folded, size}, rules_.set);
  if (match && Precedes(*match, Trigger::kQuestion)) Take(*match, Trigger::kQuestion);
  if (rules_.lists->JudgesServers()) Servers({folded, size});
}

void AnswerSearch::Servers(Bytes name) {
  const auto rule = rules_.lists->FindServed(name, rules_.set);
  if (rule && Precedes(rule->match, rule->trigger)) Take(rule->match, rule->trigger);
}

void AnswerSearch::Address(Bytes address) {
  if (rules_.lists == nullptr || (best_ && best_->by_override)) return;
  OneAddress(address);
  uint8_t embedded[4];
  if (rules_.translation.Embedded(address, embedded)) OneAddress(embedded);
}

void AnswerSearch::OneAddress(Bytes address) {
  const auto match = rules_.lists->FindAddress(Trigger::kAnswerAddress, address, rules_.set);
  if (!match) return;
  const bool is_alike =
      best_ && best_->match.policy.tier == match->policy.tier && best_trigger_ == Trigger::kAnswerAddress;
  if (is_alike) {
    if (match->labels < best_->match.labels) return;
    const Bytes best(best_address_, best_address_size_);
    const bool smaller = address.size() != best.size()
                             ? address.size() < best.size()
                             : std::lexicographical_compare(address.begin(), address.end(), best.begin(), best.end());
    if (match->labels == best_->match.labels && !smaller) return;
  } else if (!Precedes(*match, Trigger::kAnswerAddress)) {
    return;
  }
  std::copy(address.begin(), address.end(), best_address_);
  best_address_size_ = address.size();
  Take(*match, Trigger::kAnswerAddress);
}

bool AnswerSearch::Alias(size_t target, size_t record_end, uint16_t records) {
  if (best_) return false;
  at_.end = record_end;
  at_.records = records;
  at_.owner = target;
  Name(target);
  return !best_ || !best_->by_override;
}

void AnswerSearch::Service(size_t rdata, size_t end) {
  if (end - rdata < 3) return;
  const size_t target = rdata + 2;
  const size_t size = wire::OwnOctets(reply_.first(end), target);
  if (size == 0) return;
  // "." is the owner itself, or that there is no service.
  if (!best_) Name(target);
  for (size_t at = target + size; at + 4 <= end;) {
    const uint16_t key = Load16(reply_.data() + at);
    const size_t length = Load16(reply_.data() + at + 2);
    at += 4;
    if (length > end - at) return;
    const size_t octets = key == kIpv4Hint ? 4 : key == kIpv6Hint ? 16 : 0;
    for (size_t hint = at; octets != 0 && hint + octets <= at + length; hint += octets) {
      Address(reply_.subspan(hint, octets));
    }
    at += length;
  }
}

std::optional<AnswerMatch> AnswerSearch::Find() {
  if (rules_.question) Take(*rules_.question, Trigger::kQuestion, rules_.question_by_override);
  if (best_ && best_->by_override) return best_;
  if (rules_.lists != nullptr && rules_.lists->JudgesServers()) {
    uint8_t folded[wire::kMaxNameSize];
    const size_t size = wire::ExpandFolded(reply_, wire::kHeaderSize, folded);
    if (size != 0) Servers({folded, size});
  }
  const bool addresses = rules_.lists != nullptr && rules_.lists->Has(Trigger::kAnswerAddress);
  const uint16_t type = Load16(reply_.data() + at_.end - 4);
  const bool follows = type != wire::type::kCname && type != wire::type::kAny;
  wire::RecordWalk walk = wire::RecordWalk::Stored(reply_, at_.end);
  wire::Record record;
  uint16_t records = 0;
  while (walk.Next(&record) && record.section == wire::Section::kAnswer) {
    ++records;
    switch (record.type) {
      case wire::type::kCname:
        // Of what Prepare has let in there is no other.
        if (record.length == 0 || wire::OwnOctets(reply_.first(record.end()), record.rdata()) != record.length) break;
        // Who asks for the alias itself is not led on by it (RFC 1034 section 3.6.2).
        if (!follows) break;
        if (!Alias(record.rdata(), record.end(), records)) return best_;
        break;
      case wire::type::kA:
      case wire::type::kAaaa:
        if (addresses && record.length == (record.type == wire::type::kA ? 4 : 16)) {
          Address(reply_.subspan(record.rdata(), record.length));
        }
        break;
      case wire::type::kSvcb:
      case wire::type::kHttps:
        Service(record.rdata(), record.end());
        break;
      default:
        break;
    }
  }
  return best_;
}

}  // namespace shardns::gate
