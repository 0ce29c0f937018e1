// Queries to upstreams that wait for their responses, found by the id of a response and its socket. Single-threaded.
//
// The caller numbers its queries, so that neither side has to look the other's up. Numbers are below kMaxQueries; slots
// are made in blocks when a number is first used and kept: a query allocates nothing.
#pragma once
#include <memory>
#include <vector>

#include "udp/reply_matching.h"

namespace shardns::udp {

inline constexpr uint32_t kNone = UINT32_MAX;
// 26 MiB when all are in use. 8192 questions are under way by default (upstream.maxTotal), each asked thrice at most.
inline constexpr uint32_t kMaxQueries = 65'536;
inline constexpr size_t kMaxQuestion = wire::kMaxNameSize + 4;
inline constexpr size_t kMaxSentCookie = 40;  // RFC 7873 section 4

// Neighbours in a list that leads through the table.
struct Links {
  uint32_t before = kNone;
  uint32_t after = kNone;
};
struct List {
  uint32_t first = kNone;
  uint32_t last = kNone;
  bool empty() const { return first == kNone; }
};

struct WaitingQuery {
  enum class State : uint8_t { kFree, kWaiting, kFailed };
  enum class Notice : uint8_t { kNothing, kFlood, kFailure };

  State state = State::kFree;
  Notice notice = Notice::kNothing;  // what its caller is yet to hear of it
  Letters letters = Letters::kKept;
  bool sending = false;  // in the batch that is not yet sent
  uint16_t id = 0;
  uint16_t flags = 0;
  uint32_t serial = 0;  // the caller's, to tell queries apart that had the same number
  uint32_t socket = kNone;
  uint32_t began_ms = 0;
  int32_t failure = 0;
  uint32_t next_in_chain = kNone;
  Links of_socket;  // oldest first
  Links of_notices;
  uint64_t token = 0;
  uint16_t question_length = 0;
  uint8_t question[kMaxQuestion];
  // What its COOKIE option has; 0 octets: it has none, or its caller minds it.
  uint8_t cookie_length = 0;
  uint8_t cookie[kMaxSentCookie];

  AskedQuestion asked() const { return {.flags = flags, .question = {question, question_length}}; }
};

class QueryTable {
 public:
  QueryTable() : chains_(new uint32_t[kChains]) { std::memset(chains_.get(), 0xff, kChains * sizeof(uint32_t)); }

  // Null for a number that is not below kMaxQueries. Makes its slot if it is the first of its block.
  WaitingQuery* Slot(uint32_t number) {
    if (number >= kMaxQueries) return nullptr;
    const size_t block = number / kBlock;
    if (block >= blocks_.size()) blocks_.resize(block + 1);
    if (!blocks_[block]) blocks_[block].reset(new WaitingQuery[kBlock]);
    return &blocks_[block][number % kBlock];
  }
  // Null for one that was never asked.
  WaitingQuery* Find(uint32_t number) {
    const size_t block = number / kBlock;
    return block < blocks_.size() && blocks_[block] ? &blocks_[block][number % kBlock] : nullptr;
  }
  WaitingQuery& operator[](uint32_t number) { return blocks_[number / kBlock][number % kBlock]; }

  // The query of that id over that socket; kNone if there is none.
  uint32_t FindById(uint32_t socket, uint16_t id) {
    uint32_t number = chains_[ChainOf(socket, id)];
    while (number != kNone) {
      const WaitingQuery& query = (*this)[number];
      if (query.socket == socket && query.id == id) break;
      number = query.next_in_chain;
    }
    return number;
  }
  void LinkById(uint32_t number) {
    WaitingQuery& query = (*this)[number];
    uint32_t& chain = chains_[ChainOf(query.socket, query.id)];
    query.next_in_chain = chain;
    chain = number;
  }
  void UnlinkById(uint32_t number) {
    const WaitingQuery& query = (*this)[number];
    uint32_t* link = &chains_[ChainOf(query.socket, query.id)];
    while (*link != number) link = &(*this)[*link].next_in_chain;
    *link = query.next_in_chain;
  }

  void Append(List* list, uint32_t number, Links WaitingQuery::*links) {
    (*this)[number].*links = {.before = list->last, .after = kNone};
    if (list->last != kNone) ((*this)[list->last].*links).after = number;
    (list->first == kNone ? list->first : list->last) = number;
    list->last = number;
  }
  void Remove(List* list, uint32_t number, Links WaitingQuery::*links) {
    const Links own = (*this)[number].*links;
    (own.before == kNone ? list->first : ((*this)[own.before].*links).after) = own.after;
    (own.after == kNone ? list->last : ((*this)[own.after].*links).before) = own.before;
  }

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t block = 0; block < blocks_.size(); ++block) {
      for (uint32_t i = 0; blocks_[block] && i < kBlock; ++i) {
        visit(static_cast<uint32_t>(block * kBlock + i), blocks_[block][i]);
      }
    }
  }

 private:
  static constexpr uint32_t kBlock = 64;
  static constexpr uint32_t kChains = 1 << 14;
  // Ids are drawn by us: nobody outside can aim at one chain.
  static uint32_t ChainOf(uint32_t socket, uint16_t id) { return (id ^ socket * 0x9E37u) & (kChains - 1); }

  std::vector<std::unique_ptr<WaitingQuery[]>> blocks_;
  std::unique_ptr<uint32_t[]> chains_;
};

}  // namespace shardns::udp
