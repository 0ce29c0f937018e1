// What suites that run under every policy are made with.
#pragma once
#include <gtest/gtest.h>

#include <iterator>
#include <string>

#include "store/policies.h"

namespace shardns::test {

inline constexpr store::PolicyKind kAllPolicies[] = {store::PolicyKind::kS3Fifo, store::PolicyKind::kLru,
                                                     store::PolicyKind::kLfu, store::PolicyKind::kTwoQueue};
static_assert(std::size(kAllPolicies) == store::kPolicies);
inline std::string PolicyName(const testing::TestParamInfo<store::PolicyKind>& info) {
  return store::TraitsOf(info.param).name;
}

}  // namespace shardns::test
