// Validation of a response's records, duplicates, the chain of aliases, signatures and denials.
//
// Bounds: chains of kMaxChain names, and twice as many DNAMEs that are compared with them; Seen::kMost records of a
// section that are compared with each other.
#include "answers/survey.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "answers/owner.h"
#include "wire/rdata.h"

namespace shardns::answers {

using wire::Record;
using wire::RecordWalk;
using wire::Section;

namespace {

// The names that a chain of aliases leads through. Longer ones are not followed, so not cached.
constexpr size_t kMaxChain = 17;

class Chain {
 public:
  Chain(Bytes message, size_t name_at) : message_(message) { Extend(name_at); }

  bool Holds(Owner* owner) {
    for (size_t i = 0; i < size_; ++i) {
      if (ends_[i].first == owner->first()) return true;
    }
    for (size_t i = 0; i < size_; ++i) {
      if (owner->Is(&ends_[i])) return true;
    }
    return false;
  }
  // Whether a name of the chain lies below the owner (DNAME, RFC 6672 section 2.2). Asked of more DNAMEs than a chain
  // has names, it says no: each is compared with all of them.
  bool HasBelow(Owner* owner) {
    if (++asked_below_ > 2 * kMaxChain) return false;
    uint8_t lower[wire::kMaxNameSize];
    const Bytes suffix = owner->folded();
    for (size_t i = 0; i < size_; ++i) {
      const Bytes name(lower, wire::ExpandFolded(message_, ends_[i].first, lower));
      if (name.size() > suffix.size() && wire::IsAtOrBelow(name, suffix)) return true;
    }
    return false;
  }
  bool IsEnd(Owner* owner) { return owner->Is(&ends_[size_ - 1]); }
  bool Extend(size_t target) {
    if (size_ == kMaxChain) return false;
    ends_[size_++] = {wire::FirstLabel(message_, target), 0};
    return true;
  }

 private:
  Bytes message_;
  MetName ends_[kMaxChain];
  size_t size_ = 0;
  size_t asked_below_ = 0;
};

// The records of a section, to find one that is there twice (RFC 2181 section 5). Of more records than it has room for
// the rest is not looked at.
class Seen {
 public:
  void Begin(size_t records) {
    count_ = 0;
    mask_ = std::min(std::bit_ceil(records + records / 4 + 1), kSlots) - 1;
    std::memset(slots_, 0, (mask_ + 1) * sizeof slots_[0]);
  }
  // `hash`: of type and data. False: it was there before.
  bool Add(uint64_t hash, Owner* owner) {
    if (count_ == kMost) return true;
    hash |= 1;  // 0 = free
    for (size_t at = hash >> 32;; ++at) {
      Slot& slot = slots_[at & mask_];
      if (slot.hash == hash && owner->Is(&slot.owner)) return false;
      if (slot.hash != 0) continue;
      slot = {hash, {owner->first(), 0}};
      ++count_;
      return true;
    }
  }

 private:
  struct Slot {
    uint64_t hash;
    MetName owner;
  };
  static constexpr size_t kSlots = 128;
  static constexpr size_t kMost = 100;
  Slot slots_[kSlots];
  size_t mask_ = 0;
  size_t count_ = 0;
};

// RFC 4035 section 5.3.3: no longer than received TTL, original TTL and what is left until expiration.
uint32_t SignatureLimit(Bytes message, const Record& record, uint32_t wall_seconds) {
  const uint8_t* rdata = message.data() + record.rdata();
  const uint32_t original = Load32(rdata + 4);
  uint32_t limit = std::min(CapTtl(record.ttl), CapTtl(original));
  if (wall_seconds != 0) {
    // Serial arithmetic (RFC 4034 section 3.1.5).
    const int32_t left = static_cast<int32_t>(Load32(rdata + 8) - wall_seconds);
    limit = std::min(limit, left > 0 ? static_cast<uint32_t>(left) : 0u);
  }
  return limit;
}

}  // namespace

Status SurveyRecords(const PrepareArgs& args, size_t question_end, uint16_t qtype, Survey* survey, size_t* end) {
  const Bytes message = args.response;
  Chain chain(message, wire::kHeaderSize);
  Owner owner(message);
  Seen seen;
  std::optional<Section> section;
  const size_t counts[] = {wire::AnCount(message.data()), wire::NsCount(message.data()), wire::ArCount(message.data())};
  bool has_opt = false;
  wire::MovingOctets moving(question_end);
  RecordWalk walk(message, question_end, &moving);
  Record record;
  size_t additional = 0;
  while (walk.Next(&record)) {
    moving.Add(record.fixed + 4, 4);  // before its data is looked at: a name there may lead back to it
    const wire::RdataVerdict rdata = wire::JudgeRdata(message, record, &moving);
    if (rdata == wire::RdataVerdict::kMalformed) return Status::kMalformed;
    if (record.type == wire::type::kA || record.type == wire::type::kAaaa) moving.Add(record.rdata(), record.length);
    const bool is_opt = record.type == wire::type::kOpt;
    if (is_opt && (record.section != Section::kAdditional || record.fixed - record.owner != 1)) {
      return Status::kMalformed;
    }
    if (record.section == Section::kAdditional) {
      ++additional;
      if (is_opt) {
        if (has_opt) return Status::kMalformed;  // RFC 6891 section 6.1.1
        has_opt = true;
        survey->extended_rcode = static_cast<uint16_t>(record.ttl >> 24 << 4);
        wire::Edns edns;
        if (wire::ParseOpt(record.dns_class, record.ttl, message.subspan(record.rdata(), record.length), &edns)) {
          survey->subnet_scope = edns.subnet.scope_prefix;
        }
      }
      if (survey->opt_at == 0) {
        if (is_opt || record.type == wire::type::kTsig || record.type == wire::type::kSig) {
          survey->opt_at = record.owner;
        } else {
          survey->kept_additional = static_cast<uint16_t>(additional);
        }
      }
      if (survey->opt_at != 0) continue;  // whatever follows it goes too
    }
    survey->least_ttl = std::min(survey->least_ttl, CapTtl(record.ttl));
    if (rdata == wire::RdataVerdict::kToExpand) survey->to_rewrite = true;
    owner.Read(record.owner);
    if (const size_t records = counts[static_cast<size_t>(record.section)]; records > 1) {
      if (record.section != section) seen.Begin(records);
      section = record.section;
      const uint64_t kind = uint64_t{record.type} << 16 | record.dns_class;
      if (!seen.Add(wire::HashRdata(message, record, kind), &owner)) survey->to_rewrite = true;
    }
    if (record.type == wire::type::kRrsig && record.dns_class == wire::kClassIn) {
      survey->signature_limit = std::min(survey->signature_limit, SignatureLimit(message, record, args.wall_seconds));
    }
    if (record.section == Section::kAnswer && record.dns_class == wire::kClassIn) {
      if (record.type == wire::type::kDname && chain.HasBelow(&owner)) continue;
      if (!chain.Holds(&owner)) {
        // The signature over a DNAME has its owner.
        const bool dname_signature = record.type == wire::type::kRrsig &&
                                     Load16(message.data() + record.rdata()) == wire::type::kDname &&
                                     chain.HasBelow(&owner);
        if (!dname_signature) survey->foreign = true;
        continue;
      }
      if (record.type == qtype || qtype == wire::type::kAny) survey->answered = true;
      if (record.type == wire::type::kCname && qtype != wire::type::kCname && chain.IsEnd(&owner)) {
        if (!chain.Extend(record.rdata())) survey->foreign = true;
      }
    }
    if (record.section == Section::kAuthority && record.type == wire::type::kSoa) {
      survey->any_soa = true;
      uint32_t minimum = Load32(message.data() + record.end() - 4);
      // What was derived from a denial that the operator's minimum has lengthened has its TTL already.
      if (args.authoritative && minimum != 0) minimum = std::max(minimum, args.ttl.negative_min_seconds);
      survey->negative_ttl = std::min({survey->negative_ttl, CapTtl(record.ttl), CapTtl(minimum)});
    }
  }
  if (!walk.ok()) return Status::kMalformed;
  *end = survey->opt_at != 0 ? survey->opt_at : walk.at();
  return Status::kOk;
}

}  // namespace shardns::answers
