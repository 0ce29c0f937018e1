// All policies: the one place that tells their numbers from each other.
#pragma once
#include "store/policy_2q.h"
#include "store/policy_lfu.h"
#include "store/policy_lru.h"
#include "store/policy_s3fifo.h"

namespace shardns::store {

// Calls `use` with the policy, an object without contents.
template <typename Use>
constexpr auto WithPolicy(PolicyKind kind, Use use) {
  switch (kind) {
    case PolicyKind::kLru:
      return use(LruPolicy());
    case PolicyKind::kLfu:
      return use(LfuPolicy());
    case PolicyKind::kTwoQueue:
      return use(TwoQueuePolicy());
    case PolicyKind::kS3Fifo:
      break;
  }
  return use(S3FifoPolicy());
}

constexpr PolicyTraits TraitsOf(PolicyKind kind) {
  return WithPolicy(kind, [](auto policy) { return policy.kTraits; });
}

}  // namespace shardns::store
