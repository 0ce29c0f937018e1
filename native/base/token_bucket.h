// So many a second, and a burst at first: how often something costly may be done. lib/base/token-bucket.ts is the same.
#pragma once
#include <algorithm>
#include <cstdint>

namespace shardns {

class TokenBucket {
 public:
  struct Limit {
    uint32_t per_second;
    uint32_t burst;
  };
  constexpr explicit TokenBucket(Limit limit) : limit_(limit), thousandths_(uint64_t{limit.burst} * 1000) {}

  // Takes one, if there is one. Milliseconds of a clock that may wrap.
  bool Take(uint32_t now_ms) {
    if (const uint32_t elapsed = now_ms - at_ms_; !begun_ || elapsed < UINT32_MAX / 2) {
      if (begun_) {
        thousandths_ = std::min<uint64_t>(thousandths_ + uint64_t{elapsed} * limit_.per_second, limit_.burst * 1000ull);
      }
      at_ms_ = now_ms;
      begun_ = true;
    }
    if (thousandths_ < 1000) return false;
    thousandths_ -= 1000;
    return true;
  }

 private:
  Limit limit_;
  uint64_t thousandths_;
  uint32_t at_ms_ = 0;
  bool begun_ = false;
};

}  // namespace shardns
