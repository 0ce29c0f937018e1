// From a question to a reply, in one walk over its labels.
#include "zones/zone_view.h"

#include <algorithm>

#include "wire/reply_patch.h"

namespace shardns::zones {

namespace {

// As lib/zone/answer.ts has them.
constexpr size_t kMaxGlue = 64;
constexpr size_t kOptionalGlueSize = 1232 - 50;
constexpr size_t kReach = 1 << 14;  // of a pointer

}  // namespace

// Writes records behind the question. What has no room is noted, and nothing more is written then.
class ZoneView::Writer {
 public:
  Writer(const wire::Query& query, Bytes folded, Bytes apex, MutableBytes out)
      : folded_(folded), apex_(apex), out_(out), most_(std::min(out.size(), wire::kMaxMessageSize)) {
    // Octets beyond the message may be written to, by whoever finishes it.
    most_ = most_ > wire::kReplySlack ? most_ - wire::kReplySlack : 0;
    Put(query.message.data(), query.question_end);
  }

  bool full() const { return full_; }
  size_t length() const { return at_; }
  size_t counts[3] = {};

  // To undo what was written since.
  struct Mark {
    size_t at, count;
  };
  Mark Here(size_t section) const { return {at_, counts[section]}; }
  void BackTo(const Mark& mark, size_t section) {
    at_ = mark.at;
    counts[section] = mark.count;
  }

  // All records of a set. `owner`: where the name stands, which they point to; kRoot is written out.
  static constexpr size_t kRoot = 0;
  void Set(size_t section, const Rrset& rrset, size_t owner, uint32_t ttl) {
    size_t at = 0;
    for (uint16_t left = rrset.count; left > 0 && at + 2 <= rrset.records.size(); --left) {
      const size_t length = Load16(rrset.records.data() + at);
      if (length > rrset.records.size() - at - 2) return Fill();
      Head(owner, rrset.type, ttl);
      Put16(length);
      Put(rrset.records.data() + at + 2, length);
      ++counts[section];
      at += 2 + length;
    }
  }

  void Head(size_t owner, uint16_t type, uint32_t ttl) {
    if (owner == kRoot) {
      Put8(0);
    } else {
      Put16(0xC000u | owner);
    }
    Put16(type);
    Put16(wire::kClassIn);
    Put16(ttl >> 16);
    Put16(ttl & 0xFFFF);
  }

  // A plain name of records; from where on it is one of the question's suffixes, a pointer to that.
  void Name(Bytes name) {
    size_t at = 0;
    for (; at < name.size() && name[at] != 0; at += 1u + name[at]) {
      if (const size_t place = PlaceOf(name.subspan(at)); place != 0) {
        Put(name.data(), at);
        return Put16(0xC000u | place);
      }
    }
    Put(name.data(), name.size());
  }

  // Where a suffix of the question's name stands.
  size_t PlaceOfSuffix(size_t length) const { return wire::kHeaderSize + folded_.size() - length; }

  void Put16(size_t value) {
    Put8(value >> 8);
    Put8(value & 0xFF);
  }
  void Put(const uint8_t* octets, size_t n) {
    if (n > most_ - at_) return Fill();
    if (n > 0) std::memcpy(out_.data() + at_, octets, n);
    at_ += n;
  }
  void SetLength(size_t at) {
    if (!full_) Store16(out_.data() + at, static_cast<uint16_t>(at_ - at - 2));
  }

 private:
  void Put8(size_t octet) {
    const auto value = static_cast<uint8_t>(octet);
    Put(&value, 1);
  }
  void Fill() {
    full_ = true;
    most_ = at_;
  }
  // 0: it is none of them. Those above the apex are nothing that records end with more than others.
  size_t PlaceOf(Bytes name) const {
    if (name.size() > folded_.size() || name.size() < apex_.size() || name.size() == 1) return 0;
    const uint8_t* const suffix = folded_.data() + folded_.size() - name.size();
    for (size_t i = 0; i < name.size(); ++i) {
      if (wire::FoldOctet(name[i]) != suffix[i]) return 0;
    }
    // It has to begin at a label.
    size_t at = 0;
    while (at < folded_.size() - name.size()) at += 1u + folded_[at];
    return at == folded_.size() - name.size() ? PlaceOfSuffix(name.size()) : 0;
  }

  const Bytes folded_, apex_;
  const MutableBytes out_;
  size_t most_;
  size_t at_ = 0;
  bool full_ = false;
};

std::shared_ptr<const ZoneView> ZoneView::Create(Bytes apex, const ZoneArrays& arrays, const HalfSipKey& key,
                                                 std::shared_ptr<const void> owner) {
  if (apex.empty() || wire::PlainNameLength(apex, 0) != apex.size()) return nullptr;
  if (!arrays.base.IsWhole() || (arrays.changes && !arrays.changes->IsWhole())) return nullptr;
  const std::shared_ptr<ZoneView> view(new ZoneView);
  std::memcpy(view->apex_, apex.data(), apex.size());
  view->apex_length_ = apex.size();
  view->arrays_ = arrays;
  view->key_ = key;
  view->owner_ = std::move(owner);
  view->base_count_ = static_cast<uint32_t>(arrays.base.flags.size());
  view->apex_node_ = view->Find(Bytes{});
  if (view->apex_node_ == kNone) return nullptr;
  const auto soa = view->Find(view->apex_node_, wire::type::kSoa);
  // Two names and five numbers, of which MINIMUM is the last (RFC 1035 section 3.3.13).
  constexpr size_t kNumbers = 20;
  if (!soa || soa->records.size() < 2 + kNumbers + 2) return nullptr;
  view->denial_ttl_ = std::min(soa->ttl, Load32(soa->records.data() + soa->records.size() - 4));
  view->signed_ = view->Find(view->apex_node_, wire::type::kRrsig, wire::type::kSoa).has_value();
  return view;
}

ZoneView::Node ZoneView::Find(Bytes labels) const {
  if (arrays_.changes) {
    const uint32_t node = arrays_.changes->Find(key_, labels);
    if (node != kNone) {
      const uint8_t flags = arrays_.changes->flags[node];
      if ((flags & node_flag::kUnsaid) == 0) return (flags & node_flag::kDeleted) == 0 ? base_count_ + node : kNone;
    }
  }
  return arrays_.base.Find(key_, labels);
}

Reply ZoneView::Answer(const wire::Query& query, Bytes folded, MutableBytes out) const {
  // Proofs are not told here.
  if ((signed_ && query.edns.dnssec_ok) || query.type == wire::type::kRrsig) return {};
  const size_t end = folded.size() - apex_length_;
  uint8_t starts[128];
  size_t labels = 0;
  for (size_t at = 0; at < end; at += 1u + folded[at]) starts[labels++] = static_cast<uint8_t>(at);
  Writer writer(query, folded, apex(), out);
  Told told = Told::kNothing;
  bool authoritative = true;
  Node node = apex_node_;
  for (size_t depth = labels;; --depth) {
    const uint8_t flags = FlagsOf(node);
    const size_t here = depth == labels ? end : starts[depth];
    // Names below a cut are not ours to speak of, nor is the cut itself but for its DS.
    if ((flags & node_flag::kCut) != 0 && !(depth == 0 && query.type == wire::type::kDs) && !IsWildcard(node)) {
      told = Refer(node, folded.subspan(here), &writer);
      authoritative = false;
      break;
    }
    if (depth == 0) return {};
    if ((flags & node_flag::kDname) != 0 && !IsWildcard(node)) return {};
    const size_t next = starts[depth - 1];
    const Node child = Find(folded.subspan(next, end - next));
    if (child == kNone || (FlagsOf(child) & node_flag::kNsec3) != 0) {
      told = Missing(query, folded.subspan(here), &writer);
      break;
    }
    node = child;
  }
  if (told == Told::kNothing || writer.full()) return {};
  const bool denied = told == Told::kDenied;
  Store16(out.data() + 2,
          static_cast<uint16_t>(wire::flag::kQr | wire::flag::kOfZone | (authoritative ? wire::flag::kAa : 0) |
                                (denied ? wire::rcode::kNxDomain : wire::rcode::kNoError)));
  Store16(out.data() + 4, 1);
  for (size_t i = 0; i < 3; ++i) Store16(out.data() + 6 + 2 * i, static_cast<uint16_t>(writer.counts[i]));
  return {.told = told, .length = writer.length()};
}

Told ZoneView::Missing(const wire::Query& query, Bytes encloser, Writer* writer) const {
  uint8_t labels[2 + wire::kMaxNameSize] = {1, '*'};
  const size_t above = encloser.size() - apex_length_;
  std::memcpy(labels + 2, encloser.data(), above);
  const Node node = Find(Bytes(labels, 2 + above));
  if (node == kNone || (FlagsOf(node) & node_flag::kNsec3) != 0) {
    return Deny(writer) ? Told::kDenied : Told::kNothing;
  }
  if (const auto rrset = Find(node, query.type)) {
    writer->Set(0, *rrset, wire::kHeaderSize, rrset->ttl);
    return Told::kWildcard;
  }
  // What an alias leads to is found by others.
  if ((FlagsOf(node) & node_flag::kCname) != 0) return Told::kNothing;
  return Deny(writer) ? Told::kWildcard : Told::kNothing;
}

// The SOA, for as long as a denial may be kept (RFC 2308 section 3).
bool ZoneView::Deny(Writer* writer) const {
  const auto soa = Find(apex_node_, wire::type::kSoa);
  if (!soa || soa->records.size() < 2 || Load16(soa->records.data()) > soa->records.size() - 2) return false;
  const Bytes data = soa->records.subspan(2, Load16(soa->records.data()));
  const size_t first = wire::PlainNameLength(data, 0);
  const size_t second = first == 0 ? 0 : wire::PlainNameLength(data, first);
  if (second == 0) return false;
  writer->Head(apex_length_ == 1 ? Writer::kRoot : writer->PlaceOfSuffix(apex_length_), wire::type::kSoa, denial_ttl_);
  const size_t length_at = writer->length();
  writer->Put16(0);
  writer->Name(data.first(first));
  writer->Name(data.subspan(first, second));
  const Bytes numbers = data.subspan(first + second);
  writer->Put(numbers.data(), numbers.size());
  writer->SetLength(length_at);
  ++writer->counts[1];
  return true;
}

Told ZoneView::Refer(Node cut, Bytes name, Writer* writer) const {
  const auto servers = Find(cut, wire::type::kNs);
  if (!servers) return Told::kNothing;
  struct Server {
    Node node;
    size_t owner;  // where its name was written
  };
  Server within[kMaxGlue], siblings[kMaxGlue];
  size_t within_count = 0, siblings_count = 0;
  const size_t owner = writer->PlaceOfSuffix(name.size());
  size_t at = 0;
  for (size_t i = 0; i < servers->count && at + 2 <= servers->records.size(); ++i) {
    const size_t length = Load16(servers->records.data() + at);
    if (length > servers->records.size() - at - 2) return Told::kNothing;
    const Bytes target = servers->records.subspan(at + 2, length);
    at += 2 + length;
    writer->Head(owner, wire::type::kNs, servers->ttl);
    const size_t length_at = writer->length();
    writer->Put16(0);
    writer->Name(target);
    writer->SetLength(length_at);
    ++writer->counts[1];
    if (i >= kMaxGlue || length > wire::kMaxNameSize || wire::PlainNameLength(target, 0) != length) continue;
    uint8_t folded[wire::kMaxNameSize];
    wire::Fold(folded, target.data(), length);
    const Bytes server(folded, length);
    if (!wire::IsAtOrBelow(server, apex())) continue;
    const Node node = Find(server.first(length - apex_length_));
    if (node == kNone) continue;
    const bool is_within = wire::IsAtOrBelow(server, name);
    (is_within ? within[within_count++] : siblings[siblings_count++]) = {node, length_at + 2};
  }
  if (writer->full() || writer->length() >= kReach) return Told::kNothing;
  // Addresses that nobody else can give first; then others that the zone has, while there is room.
  for (size_t i = 0; i < within_count; ++i) Addresses(within[i].node, within[i].owner, SIZE_MAX, writer);
  for (size_t i = 0; i < siblings_count; ++i) {
    Addresses(siblings[i].node, siblings[i].owner, kOptionalGlueSize, writer);
  }
  return Told::kReferred;
}

void ZoneView::Addresses(Node node, size_t owner, size_t most, Writer* writer) const {
  for (const uint16_t type : {wire::type::kA, wire::type::kAaaa}) {
    const auto rrset = Find(node, type);
    if (!rrset) continue;
    const Writer::Mark before = writer->Here(2);
    writer->Set(2, *rrset, owner, rrset->ttl);
    if (writer->length() > most) writer->BackTo(before, 2);
  }
}

}  // namespace shardns::zones
