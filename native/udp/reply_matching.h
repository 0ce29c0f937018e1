// Whether a response belongs to a query (RFC 5452 section 9.1), and the random letters that make it hard to guess.
// lib/transport/matching.ts says the same for Node's sockets.
#pragma once
#include "base/random.h"
#include "wire/header.h"

namespace shardns::udp {

enum class Letters : uint8_t {
  kKept,   // as the caller wrote them; compared without their case
  kDrawn,  // by chance; compared exactly
};

// A question as it was sent.
struct AskedQuestion {
  uint16_t flags;
  Bytes question;  // name, type and class
};

// Octets of the question of a query, its header not counted; 0 when it has not exactly one that can be read.
size_t QuestionLength(Bytes query);

// QR set, the same opcode, and the same question.
bool Matches(Bytes response, const AskedQuestion& asked, Letters letters);

// FORMERR or NOTIMP, and nothing else: what servers say that could not, or would not, read the query.
bool IsBareError(Bytes response, const AskedQuestion& asked);

// Flips the case of each letter of a name by chance (draft-vixie-dnsext-dns0x20); returns the letters.
uint32_t DrawLetters(MutableBytes name, RandomWords* random);

}  // namespace shardns::udp
