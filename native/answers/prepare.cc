// Response validation, OPT removal, TTL table, lifetime.
#include "answers/prepare.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "wire/rdata.h"

namespace shardns::answers {

using wire::Record;
using wire::RecordWalk;
using wire::Section;

namespace {

// The names that a chain of aliases leads through. Longer ones are not followed, so not cached.
constexpr size_t kMaxChain = 17;

// Where a name that was met has its first label, and its hash: 0 = not known yet.
struct MetName {
  size_t first;
  uint64_t hash;
};

// An owner, expanded and folded once for all that is asked about it.
class Owner {
 public:
  explicit Owner(Bytes message) : message_(message) {}

  void Read(size_t at) {
    const size_t first = wire::FirstLabel(message_, at);
    if (first == first_) return;
    first_ = first;
    size_ = 0;
  }
  size_t first() const { return first_; }
  Bytes folded() {
    Expand();
    return {name_, size_};
  }
  // Names that begin at one place are equal without comparing.
  bool Is(MetName* name) {
    if (name->first == first_) return true;
    if (name->hash == 0) {
      uint8_t octets[wire::kMaxNameSize];
      name->hash = wire::HashName({octets, wire::ExpandFolded(message_, name->first, octets)});
    }
    Expand();
    return name->hash == hash_ && wire::EqualsFolded(message_, name->first, {name_, size_});
  }

 private:
  void Expand() {
    if (size_ != 0) return;
    size_ = wire::ExpandFolded(message_, first_, name_);
    hash_ = wire::HashName({name_, size_});
  }

  const Bytes message_;
  size_t first_ = 0;
  size_t size_ = 0;  // 0 = not expanded yet
  uint64_t hash_ = 0;
  uint8_t name_[wire::kMaxNameSize];
};

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

struct Survey {
  bool to_rewrite = false;  // a record twice, or a name compressed where it may not be
  bool foreign = false;     // an answer record outside the chain, or a link before the one that leads to it
  bool answered = false;    // the chain's end has a record of the asked type
  bool any_soa = false;
  uint32_t negative_ttl = UINT32_MAX;  // min(SOA TTL, MINIMUM), RFC 2308 section 5
  uint32_t least_ttl = UINT32_MAX;
  uint32_t signature_limit = UINT32_MAX;
  size_t opt_at = 0;  // offset of OPT, TSIG or SIG(0); 0 = none
  uint8_t subnet_scope = 0;
  uint16_t kept_additional = 0;
  uint16_t extended_rcode = 0;
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

struct TtlRange {
  uint32_t least;
  uint32_t most;
};

// What TTLs are shown with: in the answer section, and in the sections that come after it.
struct ShownTtls {
  TtlRange answer;
  TtlRange rest;
};

// Gives each record its RRset's least TTL (RFC 2181 section 5.2) inside the range, and notes the distances between TTL
// fields.
void WriteTtls(MutableBytes message, size_t question_end, const ShownTtls& shown, EntryImage* image) {
  constexpr size_t kMostSets = 16;  // sets are contiguous in practice; stragglers of later ones keep their own TTL
  struct Set {
    MetName owner;
    uint16_t type;
    Section section;
    uint32_t ttl;
  };
  Set sets[kMostSets];
  size_t count = 0;
  Owner owner(message);
  // Signatures have TTLs of their own.
  const auto set_of = [&](const Record& record) -> Set* {
    if (record.type == wire::type::kRrsig) return nullptr;
    owner.Read(record.owner);
    const auto find = [&](auto has_owner) -> Set* {
      for (size_t i = count; i-- > 0;) {
        if (sets[i].type == record.type && sets[i].section == record.section && has_owner(&sets[i].owner))
          return &sets[i];
      }
      return nullptr;
    };
    if (Set* set = find([&](const MetName* name) { return name->first == owner.first(); })) return set;
    return find([&](MetName* name) { return owner.Is(name); });
  };
  Record record;
  for (RecordWalk walk = RecordWalk::Stored(message, question_end); walk.Next(&record);) {
    if (Set* set = set_of(record)) {
      set->ttl = std::min(set->ttl, CapTtl(record.ttl));
    } else if (count < kMostSets && record.type != wire::type::kRrsig) {
      sets[count++] = {{owner.first(), 0}, record.type, record.section, CapTtl(record.ttl)};
    }
  }
  size_t before = question_end;
  for (RecordWalk walk = RecordWalk::Stored(message, question_end); walk.Next(&record);) {
    const Set* set = set_of(record);
    const TtlRange& range = record.section == Section::kAnswer ? shown.answer : shown.rest;
    const uint32_t ttl = std::min(std::max(set != nullptr ? set->ttl : CapTtl(record.ttl), range.least), range.most);
    const size_t at = record.fixed + 4;
    Store32(message.data() + at, ttl);
    if (image->ttl_count == kMaxTtlCount || at - before > 255) image->flags |= entry_flag::kWalk;
    if ((image->flags & entry_flag::kWalk) == 0)
      image->ttl_table[image->ttl_count++] = static_cast<uint8_t>(at - before);
    before = at;
  }
  if (image->flags & entry_flag::kWalk) image->ttl_count = 0;
}

}  // namespace

Status Prepare(const PrepareArgs& args, PrepareScratch* scratch, EntryImage* image) {
  const Bytes message = args.response;
  if (message.size() < wire::kHeaderSize || message.size() > wire::kMaxMessageSize) return Status::kMalformed;
  const uint16_t flags = wire::Flags(message.data());
  if ((flags & wire::flag::kQr) == 0 || (flags & wire::flag::kOpcode) != 0) return Status::kNotAResponse;
  if (wire::QdCount(message.data()) != 1) return Status::kMalformed;
  const size_t name_length = wire::PlainNameLength(message, wire::kHeaderSize);
  const size_t question_end = wire::kHeaderSize + name_length + 4;
  if (name_length == 0 || message.size() < question_end) return Status::kMalformed;
  const uint16_t qtype = Load16(message.data() + question_end - 4);
  const uint16_t qclass = Load16(message.data() + question_end - 2);

  Survey survey;
  size_t end = 0;
  const Status surveyed = SurveyRecords(args, question_end, qtype, &survey, &end);
  if (surveyed != Status::kOk) return surveyed;

  // The image: question folded, nothing per client, nothing per transport.
  const uint16_t rcode = flags & wire::flag::kRcode;
  std::memcpy(scratch->message, message.data(), end);
  const MutableBytes copy(scratch->message, end);
  wire::Fold(copy.data() + wire::kHeaderSize, message.data() + wire::kHeaderSize, name_length);
  Store16(copy.data(), 0);
  const uint16_t kept = wire::flag::kQr | wire::flag::kAd | wire::flag::kRcode;
  Store16(copy.data() + 2, flags & (args.authoritative ? kept | wire::flag::kAa : kept));
  Store16(copy.data() + 10, survey.kept_additional);
  image->ttl_count = 0;
  image->flags = args.ad_unknown ? entry_flag::kAdUnknown : 0;
  image->subnet_scope = survey.subnet_scope;
  image->message = copy;

  TtlPolicy policy = args.ttl;
  if (args.authoritative) policy.min_seconds = policy.negative_min_seconds = 0;
  const bool negative = rcode == wire::rcode::kNxDomain || !survey.answered;
  if (negative) image->flags |= entry_flag::kNegative;
  const uint32_t received = negative ? std::min(survey.negative_ttl, survey.least_ttl) : survey.least_ttl;
  uint32_t ttl = LifetimeSeconds(policy, received, survey.signature_limit, negative, args.random);
  if (received == UINT32_MAX) ttl = 0;
  image->ttl_seconds = ttl;
  // The ceilings shorten what is shown, so that clients never keep an answer longer than we do. That of a denial is for
  // its SOA and proofs (RFC 2308 section 5): an alias that leads to it lives by its own TTL.
  const uint32_t most = std::min(policy.max_seconds, survey.signature_limit);
  const uint32_t denied = std::min(survey.any_soa ? survey.negative_ttl : UINT32_MAX, policy.negative_max_seconds);
  // A minimum shows in the TTLs too, that of denials beyond the SOA's MINIMUM: the SOA's TTL says how long the denial
  // is kept (RFC 2308 section 5), and those who take the lesser of both still do. An answer with TTL 0 stays as it is.
  const auto range = [&](uint32_t least, uint32_t ceiling) {
    return policy.show_original ? TtlRange{0, UINT32_MAX} : TtlRange{ttl == 0 ? 0 : std::min(least, ceiling), ceiling};
  };
  const TtlRange positive = range(policy.min_seconds, most);
  const uint32_t least_denied = std::min({policy.negative_min_seconds, policy.negative_max_seconds, most});
  const uint32_t most_denied = ttl == 0 ? std::min(most, denied) : std::max(std::min(most, denied), least_denied);
  const ShownTtls shown = {positive, negative ? range(least_denied, most_denied) : positive};
  WriteTtls(copy, question_end, shown, image);

  if (flags & wire::flag::kTc) return Status::kTruncated;
  // RFC 8482: of ANY only what we say ourselves.
  const bool own_any = qtype == wire::type::kAny && args.authoritative;
  if (qclass != wire::kClassIn || (wire::type::IsMeta(qtype) && !own_any) || qtype == wire::type::kOpt || qtype == 0 ||
      survey.extended_rcode != 0 ||
      (rcode != wire::rcode::kNoError && rcode != wire::rcode::kNxDomain && rcode != wire::rcode::kYxDomain)) {
    return Status::kUncacheable;
  }
  if (survey.foreign) return Status::kForeignRecords;
  if (survey.to_rewrite) return Status::kToRewrite;
  if (rcode == wire::rcode::kYxDomain) return Status::kUncacheable;
  if (negative && !survey.any_soa) return Status::kNoSoa;
  return image->ttl_seconds == 0 ? Status::kZeroTtl : Status::kOk;
}

}  // namespace shardns::answers
