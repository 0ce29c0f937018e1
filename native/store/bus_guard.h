// A file cut short under its mapping: an access beyond its new end faults (SIGBUS). The guard puts zeroed memory in the
// mapping's place, so that nobody who is at it crashes; whoever holds the guard learns that the memory is lost.
//
// Faults elsewhere go to whoever handled them before. Guards are few and fixed: a signal handler may neither allocate
// nor wait.
#pragma once
#include <cstddef>
#include <cstdint>

namespace shardns::store {

class BusGuard {
 public:
  // None yet.
  BusGuard() = default;
  ~BusGuard() { Release(); }
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;
  // Guards a mapping, once; false when 256 mappings of this process are guarded already.
  [[nodiscard]] bool Take(uint8_t* base, size_t bytes);
  // Before the mapping goes: what is mapped there next is another's.
  void Release();
  // Whether a fault was met: the memory is anonymous from then on.
  bool lost() const;

 private:
  int number_ = -1;
};

}  // namespace shardns::store
