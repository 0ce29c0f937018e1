// The cache of the fuzz targets: no test framework.
#pragma once
#include "answers/answer_cache.h"
#include "message_builder.h"
#include "udp/responder.h"

namespace shardns::test {

struct PlainCache {
  std::unique_ptr<answers::Cache> cache = answers::Cache::Create({.bytes = 2 << 20, .shards = 1, .seed = 1});
  udp::Responder responder{cache.get(), cache->NewReader()};
  std::unique_ptr<answers::PrepareScratch> scratch{new answers::PrepareScratch};
  Buffer reply = Buffer(65535 + 2 * store::kLooseSlack);

  Status Insert(Bytes response) {
    answers::EntryImage image;
    return cache->Insert({.prepare = {.response = response}, .now = 16000}, scratch.get(), &image);
  }
};

}  // namespace shardns::test
