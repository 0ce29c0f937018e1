// What is plain, of questions and of responses.
#include "udp/forwarder.h"

#include <ctime>

namespace shardns::udp {

namespace {

constexpr size_t kOpt = 11;  // octets of one without options

// Of types that are asked as any other. Signatures and denials (RFC 4034, RFC 5155) are told with what they are of.
bool IsPlain(uint16_t type) {
  constexpr uint16_t kSig = 24, kKey = 25, kRrsig = 46, kNsec = 47, kNsec3 = 50, kNsec3Param = 51, kFirstMeta = 128;
  return type != 0 && type < kFirstMeta && type != wire::type::kOpt && type != kSig && type != kKey && type != kRrsig &&
         type != kNsec && type != kNsec3 && type != kNsec3Param;
}

// The OPT, where it is the last record, has no options and no rcode of its own. What it may say beside that, an
// extended error (RFC 8914) say, is for JavaScript to pass on.
bool HasPlainOpt(Bytes response) {
  if (response.size() < wire::kHeaderSize + kOpt) return false;
  const uint8_t* opt = response.data() + response.size() - kOpt;
  return opt[0] == 0 && Load16(opt + 1) == wire::type::kOpt && opt[5] == 0 && Load16(opt + 9) == 0;
}

bool Parse(const Waiter& waiter, wire::Query* query) {
  return wire::ParseQuery({waiter.packet, waiter.packet_length}, query) == wire::QueryVerdict::kAnswer;
}

}  // namespace

Forwarder::Forwarder(Plane* plane, answers::Cache* cache, const answers::TtlPolicy* ttl)
    : plane_(plane), cache_(cache), ttl_(ttl), reader_(cache->NewReader()), scratch_(new answers::PrepareScratch) {}

bool Forwarder::HasAny(const wire::Query& query) {
  answers::Key key;
  for (const bool dnssec_ok : {false, true}) {
    const answers::Variant variant = {.dnssec_ok = dnssec_ok, .checking_disabled = false, .tenant = 0, .scope = {}};
    answers::MakeKey(cache_->secret(), query.name(), query.type, variant, &key);
    const auto found =
        cache_->Peek(key.name_bytes(), query.type, variant, cache_->NowTicks(MonotonicMs()), scratch_->message);
    if (found.length != 0) return true;
  }
  return false;
}

size_t Forwarder::WriteQuery(uint64_t token, uint16_t udp_size, MutableBytes out) {
  const MissRing::Drained flight = plane_->ring().Look(static_cast<uint32_t>(token), cache_->generation());
  wire::Query query;
  if (flight.first == nullptr || flight.tenant != 0 || !Parse(*flight.first, &query) || !IsPlain(query.type) ||
      (query.flags & wire::flag::kRd) == 0 || (query.flags & wire::flag::kCd) != 0 || HasAny(query)) {
    return 0;
  }
  std::memset(out.data(), 0, wire::kHeaderSize);
  Store16(out.data() + 2, static_cast<uint16_t>(wire::flag::kRd | (query.flags & wire::flag::kAd)));
  Store16(out.data() + 4, 1);
  Store16(out.data() + 10, 1);
  std::memcpy(out.data() + wire::kHeaderSize, query.message.data() + wire::kHeaderSize,
              query.question_end - wire::kHeaderSize);
  return query.question_end +
         wire::WriteOpt({.udp_size = udp_size, .dnssec_ok = query.edns.dnssec_ok}, out.data() + query.question_end);
}

bool Forwarder::OnResponse(uint64_t token, Bytes response, Taken* taken) {
  const uint32_t ticket = static_cast<uint32_t>(token);
  const uint16_t flags = wire::Flags(response.data());
  const uint16_t rcode = flags & wire::flag::kRcode;
  const bool denies = rcode == wire::rcode::kNxDomain;
  if ((flags & wire::flag::kTc) != 0 || (rcode != wire::rcode::kNoError && !denies)) return false;
  const bool has_additional = Load16(response.data() + 10) != 0;
  if (has_additional && !HasPlainOpt(response)) return false;
  const uint32_t generation = cache_->generation();
  const MissRing::Drained flight = plane_->ring().Look(ticket, generation);
  wire::Query query;
  if (flight.first == nullptr || !Parse(*flight.first, &query)) return false;
  const answers::InsertArgs insert = {
      .prepare = {.response = response,
                  .wall_seconds = static_cast<uint32_t>(std::time(nullptr)),
                  .ttl = *ttl_,
                  .random = reader_->Random(),
                  .ad_unknown = (query.flags & wire::flag::kAd) == 0 && !query.edns.dnssec_ok},
      .variant = {.dnssec_ok = query.edns.dnssec_ok, .checking_disabled = false, .tenant = 0, .scope = {}},
      .now = cache_->NowTicks(MonotonicMs()),
      .generation = generation};
  answers::EntryImage image;
  const Status status = flight.outdated ? answers::Prepare(insert.prepare, scratch_.get(), &image)
                                        : cache_->Insert(insert, scratch_.get(), &image);
  if (status != Status::kOk) return false;
  taken->result = has_additional ? forwarded::kHasOpt : 0;
  if (denies && !flight.outdated) {
    // What those with and without DO were told is over (RFC 2308 section 5), and the name's other types are
    // JavaScript's.
    answers::Variant other = insert.variant;
    other.dnssec_ok = !other.dnssec_ok;
    answers::Key key;
    answers::MakeKey(cache_->secret(), query.name(), query.type, other, &key);
    cache_->Remove(key.name_bytes(), query.type, other);
    taken->result |= forwarded::kDenies;
    taken->with_response = true;
  }
  return plane_->ReplyImage(ticket, image, wire::kNoExtendedError);
}

}  // namespace shardns::udp
