// The kernel's randomness.
#include "base/random.h"

#include "base/bytes.h"

#ifdef __linux__
#include <sys/random.h>

#include <cerrno>
#endif

namespace shardns {

int FillFromSystem(void*, uint32_t* words, size_t count) {
#ifdef __linux__
  auto* octets = reinterpret_cast<uint8_t*>(words);
  for (size_t at = 0, size = count * sizeof *words; at < size;) {
    const ssize_t drawn = getrandom(octets + at, size - at, 0);
    if (drawn > 0) {
      at += static_cast<size_t>(drawn);
    } else if (errno != EINTR) {
      return errno;
    }
  }
#else
  arc4random_buf(words, count * sizeof *words);
#endif
  return 0;
}

int RandomWords::Prepare() {
  const int error = fill_(context_, words_, kWords);
  if (error == 0) at_ = 0;
  return error;
}

void RandomWords::Refill() {
  // It has worked before; ids that can be predicted are worse than none.
  SHARDNS_CHECK(Prepare() == 0);
}

}  // namespace shardns
