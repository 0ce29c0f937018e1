// A circular log of variable-sized entries: appended at the head, given back at the tail, nothing in between. An entry
// never wraps; what is left before the end is padding. The position arithmetic only; the octets are the shard's.
#pragma once
#include "store/index.h"

namespace shardns::store {

struct Place {
  uint32_t at = 0;  // units from the shard's base
  uint32_t lap = 0;
};

class Log {
 public:
  void Init(uint32_t begin, uint32_t units) {
    begin_ = begin;
    end_ = begin + units;
    head_ = tail_ = {begin, 1};
    appended_ = given_back_ = 0;
  }

  // Whether this can be the state of a log of that range, whoever wrote it.
  bool Sound(uint32_t begin, uint32_t end) const {
    const auto inside = [&](Place place) {
      return place.at >= begin && place.at < end && place.lap >= 1 && place.lap <= Slot::kLapMask;
    };
    const uint64_t used = appended_ - given_back_;
    return begin_ == begin && end_ == end && inside(head_) && inside(tail_) && used <= end - begin &&
           (tail_.at - begin + used) % (end - begin) == head_.at - begin;
  }
  uint32_t begin() const { return begin_; }
  uint32_t end() const { return end_; }

  uint32_t capacity() const { return end_ - begin_; }
  uint32_t used() const { return static_cast<uint32_t>(appended_ - given_back_); }
  uint32_t free() const { return capacity() - used(); }
  bool empty() const { return appended_ == given_back_; }
  uint64_t appended() const { return appended_; }
  uint64_t given_back() const { return given_back_; }
  Place head() const { return head_; }
  Place tail() const { return tail_; }
  uint32_t UntilEnd(Place place) const { return end_ - place.at; }
  // Padding an entry of that many units would leave behind it.
  uint32_t PaddingFor(uint32_t units) const { return units > end_ - head_.at ? end_ - head_.at : 0; }
  bool HasRoom(uint32_t units, uint32_t reserve = 0) const {
    return uint64_t{units} + PaddingFor(units) + reserve <= free();
  }

  // Skips to the beginning; returns where the padding starts.
  uint32_t Wrap() {
    const uint32_t at = head_.at;
    appended_ += end_ - head_.at;
    head_ = {begin_, NextLap(head_.lap)};
    return at;
  }
  Place Append(uint32_t units) {
    SHARDNS_CHECK(units <= end_ - head_.at && units <= free());
    const Place place = head_;
    head_.at += units;
    appended_ += units;
    if (head_.at == end_) head_ = {begin_, NextLap(head_.lap)};
    return place;
  }
  void GiveBack(uint32_t units) {
    SHARDNS_CHECK(units <= used() && units <= end_ - tail_.at);
    tail_.at += units;
    given_back_ += units;
    if (tail_.at == end_) tail_ = {begin_, NextLap(tail_.lap)};
  }

 private:
  // 1 to 2047, so that the slot of a live entry is never 0.
  static uint32_t NextLap(uint32_t lap) { return lap == Slot::kLapMask ? 1 : lap + 1; }

  uint32_t begin_;
  uint32_t end_;
  Place head_;
  Place tail_;
  uint64_t appended_;  // units ever, padding included
  uint64_t given_back_;
};
static_assert(sizeof(Log) == 40);

}  // namespace shardns::store
