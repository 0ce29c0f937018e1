// A value that can be reached only while its lock is held.
#pragma once
#include <utility>

#include "base/futex_lock.h"

namespace shardns {

template <typename T>
class Guarded {
 public:
  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  class [[nodiscard]] Access {
   public:
    explicit Access(Guarded& owner) : owner_(owner) { owner_.lock_.Lock(); }
    ~Access() { owner_.lock_.Unlock(); }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
    T* operator->() { return &owner_.value_; }
    T& operator*() { return owner_.value_; }

   private:
    Guarded& owner_;
  };

  Access Lock() { return Access(*this); }

 private:
  FutexLock lock_;
  T value_;
};

}  // namespace shardns
