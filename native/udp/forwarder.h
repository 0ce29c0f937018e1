// Misses that are but passed on: JavaScript says which upstream is asked, and everything else is done here, on its
// thread. The query is made from the packet in the miss ring; the response is checked, prepared once, stored, and told
// to all who wait. What is not as plain as that is JavaScript's, with the response if there is one.
//
// Between asking and storing something may be forgotten, or the settings may change: flights of before are outdated
// (MissRing::Outdate), and what they find is told to those who wait and not kept.
#pragma once
#include "udp/asker.h"
#include "udp/plane.h"

namespace shardns::udp {

// Results of a completed flight, as bits. Values cross into TypeScript.
namespace forwarded {
inline constexpr int32_t kHasOpt = 1;  // the upstream knows EDNS
inline constexpr int32_t kDenies = 2;  // the name does not exist, and that was stored; the response is told
}  // namespace forwarded

class Forwarder : public Completion {
 public:
  // `ttl` is read when a response is stored; all three outlive it.
  Forwarder(Plane* plane, answers::Cache* cache, const answers::TtlPolicy* ttl);

  // 0 also for questions of which the cache has something after all, or an answer in another form (DO).
  size_t WriteQuery(uint64_t token, uint16_t udp_size, MutableBytes out) override;
  bool OnResponse(uint64_t token, Bytes response, Taken* taken) override;
  void Flush() override { plane_->Flush(); }

 private:
  bool HasAny(const wire::Query& query);

  Plane* const plane_;
  answers::Cache* const cache_;
  const answers::TtlPolicy* const ttl_;
  store::Reader* const reader_;
  std::unique_ptr<answers::PrepareScratch> scratch_;
};

}  // namespace shardns::udp
