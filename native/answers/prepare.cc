// From a response that was surveyed to its image: OPT removal, lifetime, TTLs as they are shown, TTL table.
#include "answers/prepare.h"

#include <algorithm>

#include "answers/owner.h"
#include "answers/survey.h"

namespace shardns::answers {

using wire::Record;
using wire::RecordWalk;
using wire::Section;

namespace {

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

  if (args.of_zone) {
    Store16(copy.data() + 2, static_cast<uint16_t>((flags & (wire::flag::kQr | wire::flag::kAa | wire::flag::kRcode)) |
                                                   wire::flag::kOfZone));
    const bool denied = rcode == wire::rcode::kNxDomain || !survey.answered;
    if (denied) image->flags |= entry_flag::kNegative;
    image->ttl_seconds = std::min(denied ? kZoneNegativeSeconds : kZoneSeconds, survey.signature_limit);
    const bool meta = wire::type::IsMeta(qtype) && qtype != wire::type::kAny;
    const bool kept = qclass == wire::kClassIn && !meta && qtype != wire::type::kOpt && qtype != 0 &&
                      (rcode == wire::rcode::kNoError || rcode == wire::rcode::kNxDomain) &&
                      (flags & wire::flag::kTc) == 0 && !survey.foreign && !survey.to_rewrite;
    if (!kept) return Status::kUncacheable;
    return image->ttl_seconds == 0 ? Status::kZeroTtl : Status::kOk;
  }
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
