// Snapshots of any octets, of both kinds, with right checksums: loaded or not, never out of bounds, and the cache stays
// sound.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/crc32c.h"
#include "cache_fixture_plain.h"
#include "snapshot/snapshot.h"

using namespace shardns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::PlainCache answers;
  static const auto bytes = bytes::ByteCache::Over<bytes::ByteCache>(
      store::Region::Create({.bytes = 2 << 20, .shards = 1, .kind = store::RegionKind::kBytes, .seed = 1}));
  static const int fd = memfd_create("snapshot", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (size == 0) return 0;
  const bool answer_kind = data[0] % 2 == 0;
  test::Buffer file(snapshot::kHeadOctets + snapshot::kBlockHead);
  std::memcpy(file.data(), snapshot::kMagic, 8);
  const uint32_t version = snapshot::kVersion, kind = answer_kind ? 0 : 1;
  std::memcpy(&file[8], &version, 4);
  std::memcpy(&file[12], &kind, 4);
  const uint32_t head_crc = Crc32c(0, {file.data(), snapshot::kHeadOctets - 4});
  std::memcpy(&file[snapshot::kHeadOctets - 4], &head_crc, 4);
  file.insert(file.end(), data + 1, data + size);
  const uint32_t octets = static_cast<uint32_t>(size - 1);
  uint8_t* block = &file[snapshot::kHeadOctets];
  std::memcpy(block, &octets, 4);
  const uint32_t crc = Crc32c(Crc32c(0, {block, 8}), {block + snapshot::kBlockHead, octets});
  std::memcpy(block + 8, &crc, 4);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, file.data(), file.size(), 0) < 0) return 0;
  const snapshot::LoadArgs args = {.path = path.c_str(), .now_ms = 1'000'000, .wall_ms = 5000, .keep_undamaged = true};
  if (answer_kind) {
    snapshot::Load(*answers.cache, args);
  } else {
    snapshot::Load(*bytes, args);
  }
  static int runs = 0;
  if (++runs % 4096 == 0) SHARDNS_CHECK(answers.cache->CheckInvariants() && bytes->CheckInvariants());
  return 0;
}
