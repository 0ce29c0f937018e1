// Records, and the writers that they come from.
#include "udp/tap.h"

#include <algorithm>

#include "base/clock.h"
#include "wire/header.h"
#include "wire/name.h"

namespace shardns::udp {

namespace {

// Of a reply, as far as its question goes.
size_t QuestionEnd(Bytes reply) {
  if (reply.size() < wire::kHeaderSize || Load16(reply.data() + 4) != 1) {
    return std::min(reply.size(), wire::kHeaderSize);
  }
  const size_t name = reply.size() > wire::kHeaderSize ? wire::PlainNameLength(reply, wire::kHeaderSize) : 0;
  return name == 0 ? wire::kHeaderSize : std::min(reply.size(), wire::kHeaderSize + name + 4);
}

}  // namespace

void TapWriter::Sample(TapSettings settings, const Told& told, Bytes reply) {
  if (told.by == AnsweredBy::kBlocked) return Write(settings, told, reply);
  const uint32_t every = settings.hits_every();
  if (every == 0) return;
  if (left_ == 0 || drawn_ != every) {
    // From 1 to 2n - 1, each as likely: n on the whole.
    drawn_ = every;
    left_ = 1 + Random() % (2 * every - 1);
  }
  if (--left_ == 0) Write(settings, told, reply, static_cast<uint16_t>(every));
}

void TapWriter::Write(TapSettings settings, const Told& told, Bytes reply, uint16_t one_in) {
  TapRecord record;
  record.at_us = MonotonicUs();
  const uint64_t took = record.at_us > told.began_us ? record.at_us - told.began_us : 0;
  record.latency_us = static_cast<uint32_t>(std::min<uint64_t>(took, UINT32_MAX));
  record.upstream = told.upstream;
  record.protocol = told.protocol;
  const size_t octets = std::min(told.address.size(), sizeof record.address);
  if (octets != 0) std::memcpy(record.address, told.address.data(), octets);
  record.family = octets == 4 ? 4 : octets == 16 ? 6 : 0;
  record.port = told.port;
  record.by = told.by;
  record.one_in = one_in;
  const bool whole = settings.whole() && reply.size() <= TapRing::kMaxReply;
  record.length = static_cast<uint16_t>(whole ? reply.size() : QuestionEnd(reply));
  ring_.Write(record, reply.data());
}

std::shared_ptr<TapWriter> Tap::NewWriter() {
  seed_ = seed_ * 1664525u + 1013904223u;
  return writers_.emplace_back(std::make_shared<TapWriter>(kThreadOctets, seed_));
}

size_t Tap::Take(MutableBytes out) {
  size_t used = main_.ring().Take(out);
  const size_t count = writers_.size();
  for (size_t i = 0; i < count; ++i) {
    used += writers_[(next_ + i) % count]->ring().Take(out.subspan(used));
  }
  // Another one first the next time: a thread that writes more than is taken does not keep others from it.
  if (count != 0) next_ = (next_ + 1) % count;
  std::erase_if(writers_, [this](const std::shared_ptr<TapWriter>& writer) {
    if (writer.use_count() != 1 || !writer->ring().empty()) return false;
    gone_written_ += writer->ring().written();
    gone_dropped_ += writer->ring().dropped();
    return true;
  });
  return used;
}

void Tap::Recall(uint32_t ticket, Told* told) const {
  const size_t at = 2 * size_t{ticket & 0xFFFF};
  if (at + 1 >= notes_.size() || notes_[at] != ticket) return;
  const uint32_t note = notes_[at + 1];
  told->by = static_cast<AnsweredBy>(note & 0xFF);
  told->upstream = static_cast<uint16_t>(note >> 16);
}

uint64_t Tap::written() const {
  uint64_t sum = gone_written_;
  for (const auto& writer : writers_) sum += writer->ring().written();
  return sum + main_.ring().written();
}

uint64_t Tap::dropped() const {
  uint64_t sum = gone_dropped_;
  for (const auto& writer : writers_) sum += writer->ring().dropped();
  return sum + main_.ring().dropped();
}

}  // namespace shardns::udp
