// Any octets as an upstream's response: refused, or stored and then served as a message that can itself be inserted.
#include "cache_fixture_plain.h"
#include "wire/rdata.h"

using namespace shardns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::PlainCache t;
  static uint32_t runs = 0;
  if (t.Insert({data, size}) != Status::kOk) return 0;
  const size_t name = wire::PlainNameLength({data, size}, wire::kHeaderSize);
  const uint16_t type = Load16(data + wire::kHeaderSize + name);
  uint8_t folded[wire::kMaxNameSize];
  wire::Fold(folded, data + wire::kHeaderSize, name);
  const auto peeked = t.cache->Peek({folded, name}, type, {}, 16000, t.reply);
  SHARDNS_CHECK(peeked.length != 0);
  wire::RecordWalk walk({t.reply.data(), peeked.length}, wire::kHeaderSize + name + 4);
  wire::Record record;
  while (walk.Next(&record)) SHARDNS_CHECK(wire::CheckRdata({t.reply.data(), peeked.length}, record));
  SHARDNS_CHECK(walk.ok() && walk.at() == peeked.length);
  if (++runs % 4096 == 0) SHARDNS_CHECK(t.cache->CheckInvariants());
  return 0;
}
