// Where those who watch are told what was answered: one writer for each receiver, and one for the thread of JavaScript,
// which switches it all on and takes what they have written.
//
// Of what native threads answer by themselves one in `hits_every` is told, whichever it is by chance (a fixed step
// would always fall on the A of clients that ask for A and AAAA in turn); what lists stand in the way of, and misses,
// always. Off, a receiver reads one word a batch, and a reply costs the branch on its copy.
//
// Bound: kThreadOctets a receiver and kMainOctets beside; see TapRing.
#pragma once
#include <span>
#include <vector>

#include "udp/tap_ring.h"

namespace shardns::udp {

// One word, so that it is read as a whole. Not on: 0.
class TapSettings {
 public:
  static constexpr uint32_t kMostEvery = 0xFFFF;

  TapSettings() = default;
  // `hits_every`: 0 = none of what native threads answer by themselves. `whole`: replies are kept as they are.
  static TapSettings On(uint32_t hits_every, bool whole) {
    return TapSettings(kOn | (whole ? kWhole : 0) | (hits_every < kMostEvery ? hits_every : kMostEvery));
  }
  static TapSettings Of(uint32_t word) { return TapSettings(word); }

  bool on() const { return word_ != 0; }
  bool whole() const { return (word_ & kWhole) != 0; }
  uint32_t hits_every() const { return word_ & kMostEvery; }
  uint32_t word() const { return word_; }

 private:
  static constexpr uint32_t kOn = 1u << 31, kWhole = 1u << 30;
  explicit TapSettings(uint32_t word) : word_(word) {}

  uint32_t word_ = 0;
};

// What a reply is told with.
struct Told {
  Bytes address = {};  // of the client: 4 or 16 octets, or none
  uint16_t port = 0;
  TapProtocol protocol = TapProtocol::kUdp;
  AnsweredBy by = AnsweredBy::kHit;
  uint16_t upstream = 0;
  uint64_t began_us = 0;
};

class TapWriter {
 public:
  TapWriter(size_t octets, uint32_t seed) : ring_(octets), random_(seed | 1) {}

  // Tells of a reply that was made without JavaScript, if it is one of those that are told.
  void Sample(TapSettings settings, const Told& told, Bytes reply);
  // Tells of it in any case.
  void Write(TapSettings settings, const Told& told, Bytes reply, uint16_t one_in = 1);

  TapRing& ring() { return ring_; }
  const TapRing& ring() const { return ring_; }

 private:
  uint32_t Random() {  // xorshift32 (Marsaglia 2003)
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return random_;
  }

  TapRing ring_;
  uint32_t random_;
  uint32_t left_ = 0;   // until the next one that is told; 0 = not drawn yet
  uint32_t drawn_ = 0;  // the `hits_every` that it was drawn for
};

class Tap {
 public:
  static constexpr size_t kThreadOctets = size_t{1} << 18;
  static constexpr size_t kMainOctets = size_t{1} << 20;

  explicit Tap(uint32_t seed) : seed_(seed), main_(kMainOctets, seed) {}

  // By the thread of JavaScript only, as everything below.
  void Set(TapSettings settings) { word_.store(settings.word(), std::memory_order_relaxed); }
  // It is taken along with the others until whoever writes to it has let go of it and nothing is left in it.
  std::shared_ptr<TapWriter> NewWriter();
  TapWriter& main() { return main_; }
  // Whole records of all writers, as many as `out` has room for: 0 octets when none are left. `out` has room for one at
  // least.
  size_t Take(MutableBytes out);

  // What JavaScript notes of flights before it answers them, by the ticket's place in the ring: the ticket, and how it
  // was answered and by which upstream. None: empty.
  void UseNotes(std::span<const uint32_t> notes) { notes_ = notes; }
  // Into `told`, where something was noted of just this flight.
  void Recall(uint32_t ticket, Told* told) const;

  uint64_t written() const;
  uint64_t dropped() const;
  size_t memory_bytes() const { return kMainOctets + writers_.size() * kThreadOctets; }

  // By any thread.
  TapSettings settings() const { return TapSettings::Of(word_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<uint32_t> word_{0};
  uint32_t seed_;
  TapWriter main_;
  std::vector<std::shared_ptr<TapWriter>> writers_;
  size_t next_ = 0;  // whom Take begins with
  uint64_t gone_written_ = 0, gone_dropped_ = 0;
  std::span<const uint32_t> notes_;
};

}  // namespace shardns::udp
