// The cache of the fuzz targets: no test framework.
#pragma once
#include "answers/answer_cache.h"
#include "message_builder.h"
#include "udp/responder.h"

namespace shardns::test {

struct PlainCache {
  std::unique_ptr<cache::Cache> cache = cache::Cache::Create({.bytes = 2 << 20, .shards = 1, .seed = 1});
  udp::Responder responder{cache.get(), cache->NewReader()};
  std::unique_ptr<cache::PrepareScratch> scratch{new cache::PrepareScratch};
  Buffer reply = Buffer(65535 + 2 * cache::kLooseSlack);

  Status Insert(Bytes response) {
    cache::EntryImage image;
    return cache->Insert({.prepare = {.response = response}, .now = 16000}, scratch.get(), &image);
  }
};

}  // namespace shardns::test
