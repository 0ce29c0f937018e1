// A value that is replaced whole while others read it: configuration compiled in one thread, read by receivers for a
// batch at a time. Each reader names what it holds (a hazard pointer: Michael, IEEE TPDS 15(6), 2004), and what was
// replaced goes when nobody names it any more. Taking it costs a reader one full fence, and nothing where there is no
// value; it never waits.
//
// Bound: the current value and, for each reader, at most one older.
#pragma once
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/guarded.h"

namespace shardns {

template <typename T>
class Published {
 public:
  Published() = default;
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;
  // Nobody reads any more.
  ~Published() { delete current_.load(std::memory_order_acquire); }

  // One thread that reads. It ends before what it reads does.
  class Reader {
   public:
    explicit Reader(Published& from) : from_(from) { from_.state_.Lock()->readers.push_back(this); }
    ~Reader() { std::erase(from_.state_.Lock()->readers, this); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // The value stays whole until this ends; null where none was published. One at a time.
    class [[nodiscard]] Held {
     public:
      ~Held() {
        if (value_ != nullptr) reader_.held_.store(nullptr, std::memory_order_release);
      }
      Held(const Held&) = delete;
      Held& operator=(const Held&) = delete;
      const T* operator->() const { return value_; }
      const T& operator*() const { return *value_; }
      explicit operator bool() const { return value_ != nullptr; }

     private:
      friend class Reader;
      Held(Reader& reader, const T* value) : reader_(reader), value_(value) {}
      Reader& reader_;
      const T* const value_;
    };
    Held Take() {
      const T* value = from_.current_.load(std::memory_order_acquire);
      while (value != nullptr) {
        held_.store(value, std::memory_order_seq_cst);
        // Still the current one, so it had not been replaced when it was named; whoever replaces it now sees the name.
        const T* const now = from_.current_.load(std::memory_order_seq_cst);
        if (now == value) break;
        value = now;
      }
      if (value == nullptr) held_.store(nullptr, std::memory_order_release);
      return Held(*this, value);
    }

   private:
    friend class Published;
    Published& from_;
    // A line of its own: it is written for every batch.
    alignas(64) std::atomic<const T*> held_{nullptr};
  };

  void Publish(std::unique_ptr<const T> value) {
    auto state = state_.Lock();
    const T* const old = current_.exchange(value.release(), std::memory_order_seq_cst);
    if (old != nullptr) state->replaced.emplace_back(old);
    std::erase_if(state->replaced, [&](const auto& one) {
      return std::none_of(state->readers.begin(), state->readers.end(), [&](const Reader* reader) {
        return reader->held_.load(std::memory_order_seq_cst) == one.get();
      });
    });
  }

  // Values that were replaced and are still held.
  size_t replaced() { return state_.Lock()->replaced.size(); }

 private:
  struct State {
    std::vector<Reader*> readers;
    std::vector<std::unique_ptr<const T>> replaced;
  };
  std::atomic<const T*> current_{nullptr};
  Guarded<State> state_;
};

}  // namespace shardns
