// Saving a cache to a file, and loading one. Both work beside readers and writers: a shard is locked for a few thousand
// entries at a time. Everything in a file that is loaded is checked as if a stranger had sent it.
#pragma once
#include <string>

#include "snapshot/format.h"

namespace shardns::snapshot {

// `what`: null when it went well.
struct Result {
  const char* what = nullptr;
  int error = 0;  // errno, or 0
  uint64_t entries = 0;
  uint64_t octets = 0;
  uint64_t expired = 0;   // loading: their time had come
  uint64_t rejected = 0;  // loading: no answer that could be stored, though the checksum is right
  bool damaged = false;   // loading: the file ends, or its checksums fail, before the end
};

struct SaveArgs {
  const char* path;
  uint64_t now_ms;  // of the cache's clock
  uint64_t wall_ms;
  uint64_t rules = 0;
};
// Writes beside `path` and takes its place when all is there. Without fsync: after a loss of power the file may be cut,
// which loading tells.
template <typename Cache>
Result Save(Cache& cache, const SaveArgs& args);

struct LoadArgs {
  const char* path;
  uint64_t now_ms;
  uint64_t wall_ms;
  answers::TtlPolicy ttl = {};
  // Load what stands before the damage; else a damaged file is refused before anything is stored.
  bool keep_undamaged = false;
  // Not 0: a file of other rules is refused.
  uint64_t rules = 0;
};
template <typename Cache>
Result Load(Cache& cache, const LoadArgs& args);

}  // namespace shardns::snapshot
