// A stored message from the first part of the input, patched for a query from the rest, at any age: the reply has the
// records of the message and no others, and its TTLs never grow.
#include "cache_fixture_plain.h"
#include "wire/ttl_scan.h"

using namespace shardns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::PlainCache t;
  static const auto scratch = std::make_unique<answers::PrepareScratch>();
  if (size < 8) return 0;
  const uint32_t age = Load32(data);
  const uint8_t control = data[4];
  const size_t split = Load16(data + 5) % (size - 7);
  const Bytes stored(data + 7 + split, size - 7 - split);
  answers::EntryImage image;
  if (!answers::Sendable(answers::Prepare({.response = stored}, scratch.get(), &image))) return 0;
  wire::Query query;
  wire::ParseQuery({data + 7, split}, &query);
  const size_t name = wire::PlainNameLength(image.message, wire::kHeaderSize);
  const size_t question_end = wire::kHeaderSize + name + 4;
  // The lookup guarantees an equal question; so does this.
  test::Buffer asked(image.message.begin(), image.message.begin() + static_cast<long>(question_end));
  Store16(&asked[0], query.id);
  Store16(&asked[2], query.flags & 0x0130);
  Store16(&asked[4], 1);
  for (size_t i = 6; i < 12; ++i) asked[i] = 0;
  wire::Query same;
  wire::ParseQuery(asked, &same);
  if (same.question_end == 0) return 0;
  same.edns = query.edns;
  const MutableBytes out(t.reply);
  std::memcpy(out.data(), image.message.data(), image.message.size());
  const wire::TtlChange change{.age_seconds = age, .fixed_seconds = control & 2 ? 30u : 0u};
  wire::Patch patch{.rotation = control & 1u ? control : 0u};
  if (control & 4) patch.extended_error = wire::ede::kStaleAnswer;
  if ((image.flags & answers::entry_flag::kWalk) != 0) {
    wire::AgeTtlsByWalk(out.first(image.message.size()), question_end, change);
  } else {
    wire::AgeTtls(out.first(image.message.size()), image.message.data(), question_end,
                  {image.ttl_table, image.ttl_count}, change);
  }
  const size_t length = wire::FinishReply(same, image.message.size(), patch, {.udp = (control & 8) != 0}, out);
  SHARDNS_CHECK(length >= question_end && wire::Id(out.data()) == query.id);
  wire::RecordWalk walk(out.first(length), question_end), before(image.message, question_end);
  wire::Record record, original;
  while (walk.Next(&record)) {
    if (record.type == wire::type::kOpt) continue;
    SHARDNS_CHECK(before.Next(&original) && record.type == original.type && record.length == original.length);
    SHARDNS_CHECK(record.ttl <= original.ttl || (control & 2) != 0);
  }
  SHARDNS_CHECK(walk.ok() && walk.at() == length);
  return 0;
}
