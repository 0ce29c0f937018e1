// Comparing and drawing, octet by octet: a question has 30 of them.
#include "udp/reply_matching.h"

#include "wire/name.h"

namespace shardns::udp {

namespace {

constexpr size_t kTypeAndClass = 4;

bool IsReplyTo(Bytes response, uint16_t flags) {
  if (response.size() < wire::kHeaderSize) return false;
  const uint16_t own = wire::Flags(response.data());
  return (own & wire::flag::kQr) != 0 && ((own ^ flags) & wire::flag::kOpcode) == 0;
}

bool IsLetter(uint8_t octet) { return (octet | 0x20) >= 'a' && (octet | 0x20) <= 'z'; }

}  // namespace

size_t QuestionLength(Bytes query) {
  if (query.size() < wire::kHeaderSize || wire::QdCount(query.data()) != 1) return 0;
  const size_t name = wire::PlainNameLength(query, wire::kHeaderSize);
  return name != 0 && query.size() - wire::kHeaderSize - name >= kTypeAndClass ? name + kTypeAndClass : 0;
}

bool Matches(Bytes response, const AskedQuestion& asked, Letters letters) {
  const size_t size = asked.question.size();
  if (!IsReplyTo(response, asked.flags) || wire::QdCount(response.data()) != 1 ||
      response.size() < wire::kHeaderSize + size) {
    return false;
  }
  const uint8_t* theirs = response.data() + wire::kHeaderSize;
  const uint8_t* ours = asked.question.data();
  if (std::memcmp(theirs, ours, size) == 0) return true;
  if (letters == Letters::kDrawn) return false;
  const size_t name = size - kTypeAndClass;
  // Lengths of labels are below 64, so that only letters are folded.
  for (size_t i = 0; i < name; ++i) {
    if (wire::FoldOctet(theirs[i]) != wire::FoldOctet(ours[i])) return false;
  }
  return std::memcmp(theirs + name, ours + name, kTypeAndClass) == 0;
}

bool IsBareError(Bytes response, const AskedQuestion& asked) {
  if (response.size() != wire::kHeaderSize || !IsReplyTo(response, asked.flags)) return false;
  const uint16_t rcode = wire::Flags(response.data()) & wire::flag::kRcode;
  return wire::QdCount(response.data()) == 0 && (rcode == wire::rcode::kFormErr || rcode == wire::rcode::kNotImp);
}

uint32_t DrawLetters(MutableBytes name, RandomWords* random) {
  uint32_t letters = 0;
  uint32_t bits = 0;
  // Lengths of labels are no letters.
  for (uint8_t& octet : name) {
    if (!IsLetter(octet)) continue;
    if (letters % 32 == 0) bits = random->Next();
    octet = static_cast<uint8_t>((octet | 0x20) ^ ((bits & 1) << 5));
    bits >>= 1;
    ++letters;
  }
  return letters;
}

}  // namespace shardns::udp
