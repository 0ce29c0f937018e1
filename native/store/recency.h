// The recency list of each of a shard's logs, under policies that keep one: doubly linked through the entries
// (block.h), newest first, and the units of those that are on it. All under the shard's lock. Links are followed only
// within the arena: one that leads out of it puts the shard in doubt.
#pragma once
#include "store/region.h"

namespace shardns::store {

class Recency {
 public:
  template <typename S>
  static EntryLinks* LinksAt(const S& shard, uint32_t unit) {
    if (shard.InArena(unit)) return reinterpret_cast<EntryLinks*>(shard.At(unit));
    shard.Doubt();
    static thread_local EntryLinks nowhere;
    return &nowhere;
  }
  template <typename S>
  static void LinkNewest(const S& shard, Queue queue, uint32_t unit) {
    const size_t q = static_cast<size_t>(queue);
    ShardHeader& header = *shard.header_;
    EntryLinks* links = LinksAt(shard, unit);
    const uint32_t older = header.newest[q];
    links->newer = 0;
    links->older = older;
    (older != 0 ? LinksAt(shard, older)->newer : header.oldest[q]) = unit;
    header.newest[q] = unit;
  }
  template <typename S>
  static void Unlink(const S& shard, Queue queue, uint32_t unit) {
    const size_t q = static_cast<size_t>(queue);
    ShardHeader& header = *shard.header_;
    const EntryLinks links = *LinksAt(shard, unit);
    (links.newer != 0 ? LinksAt(shard, links.newer)->older : header.newest[q]) = links.older;
    (links.older != 0 ? LinksAt(shard, links.older)->newer : header.oldest[q]) = links.newer;
  }
  // After an entry has been copied to `to`, its links with it.
  template <typename S>
  static void Relink(const S& shard, Queue queue, uint32_t to) {
    const size_t q = static_cast<size_t>(queue);
    ShardHeader& header = *shard.header_;
    const EntryLinks links = *LinksAt(shard, to);
    (links.newer != 0 ? LinksAt(shard, links.newer)->older : header.newest[q]) = to;
    (links.older != 0 ? LinksAt(shard, links.older)->newer : header.oldest[q]) = to;
  }
  template <typename S>
  static void Enter(const S& shard, Queue queue, uint32_t unit, uint32_t units) {
    LinkNewest(shard, queue, unit);
    shard.header_->live_units[static_cast<size_t>(queue)] += units;
  }
  template <typename S>
  static void Leave(const S& shard, Queue queue, uint32_t unit, uint32_t units) {
    shard.header_->live_units[static_cast<size_t>(queue)] -= units;
    Unlink(shard, queue, unit);
  }
  // Makes the entry the newest, if it is not.
  template <typename S>
  static void Renew(const S& shard, Queue queue, uint32_t unit) {
    if (shard.header_->newest[static_cast<size_t>(queue)] == unit) return;
    Unlink(shard, queue, unit);
    LinkNewest(shard, queue, unit);
  }
  // Whether links and units agree with `live_units`, what the index has of the log.
  template <typename S>
  static bool Agrees(const S& shard, Queue queue, uint32_t live_units) {
    const size_t q = static_cast<size_t>(queue);
    uint32_t listed = 0, newer = 0;
    for (uint32_t unit = shard.header_->newest[q]; unit != 0; unit = LinksAt(shard, unit)->older) {
      if (LinksAt(shard, unit)->newer != newer) return false;
      listed += shard.CheckedUnitsAt(unit, shard.HeaderAt(unit), shard.arena_end_ - unit);
      newer = unit;
    }
    return newer == shard.header_->oldest[q] && listed == live_units && listed == shard.header_->live_units[q];
  }
};

}  // namespace shardns::store
