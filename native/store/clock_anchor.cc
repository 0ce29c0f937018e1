// Reading what names a start of the machine, and going on from it.
#include "store/clock_anchor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

namespace shardns::store {

namespace {

void ReadBoot(char* boot, size_t size) {
  std::memset(boot, 0, size);
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // every start of the machine looks alike; the clock then only stands still
  if (read(fd, boot, size - 1) < 0) boot[0] = 0;
  close(fd);
}

}  // namespace

ClockAnchor ClockAnchor::Begin(uint64_t monotonic_ms, uint64_t wall_ms) {
  ClockAnchor anchor = {};
  ReadBoot(anchor.boot, sizeof anchor.boot);
  anchor.wall_ms = wall_ms;
  anchor.region_ms = monotonic_ms;
  return anchor;
}

ClockAnchor::Since ClockAnchor::Continue(uint64_t monotonic_ms, uint64_t now_wall_ms, uint64_t* offset) {
  char now_boot[sizeof boot];
  ReadBoot(now_boot, sizeof now_boot);
  const bool restarted = std::memcmp(boot, now_boot, sizeof boot) != 0;
  if (restarted) {
    if (now_wall_ms < wall_ms) return Since::kBackwards;
    region_ms += now_wall_ms - wall_ms;
    wall_ms = now_wall_ms;
    offset_ms = region_ms - monotonic_ms;
    std::memcpy(boot, now_boot, sizeof boot);
  }
  *offset = offset_ms;
  return restarted ? Since::kRestart : Since::kSameStart;
}

}  // namespace shardns::store
