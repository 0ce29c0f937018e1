// A set-associative table; one short lock a set.
#include "gate/client_table.h"

#include <bit>

namespace shardns::gate {

namespace {
bool Same(const ClientAddress& a, const ClientAddress& b) { return std::memcmp(a.octets, b.octets, 16) == 0; }
}  // namespace

ClientTable::ClientTable(uint32_t clients, const HashSecret& secret)
    : secret_(secret), sets_(std::bit_ceil((size_t{clients} + 3) / 4)), table_(new Set4[sets_]) {}

ClientTable::Set4& ClientTable::SetOf(const ClientAddress& client) const {
  return table_[KeyedHash(secret_, client.octets, sizeof client.octets, 2) & (sets_ - 1)];
}

void ClientTable::Set(const ClientAddress& client, uint32_t tag, Ticks until) {
  auto set = SetOf(client).Lock();
  Client* place = nullptr;
  for (Client& one : set->places) {
    if (one.tag != kUnknownTag && Same(one.address, client)) {
      place = &one;
      break;
    }
    if (place != nullptr && place->tag == kUnknownTag) continue;
    if (place == nullptr || one.tag == kUnknownTag || TicksUntil(one.until, place->until) < 0) place = &one;
  }
  if (place->tag == kUnknownTag) size_.fetch_add(1, std::memory_order_relaxed);
  *place = {.address = client, .tag = tag, .until = until};
}

uint32_t ClientTable::Find(const ClientAddress& client, Ticks now) const {
  auto set = SetOf(client).Lock();
  for (const Client& one : set->places) {
    if (one.tag != kUnknownTag && Same(one.address, client)) {
      return TicksUntil(one.until, now) > 0 ? one.tag : kUnknownTag;
    }
  }
  return kUnknownTag;
}

void ClientTable::Clear() {
  for (size_t i = 0; i < sets_; ++i) *table_[i].Lock() = Clients4{};
  size_.store(0, std::memory_order_relaxed);
}

}  // namespace shardns::gate
