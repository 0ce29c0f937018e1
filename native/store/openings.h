// Who of those that have opened a file lives.
//
// Each opening takes a number that none has had before, and with it an open-file-description lock on an octet far
// beyond the file's end, which the kernel lets go when the process dies, however it dies. A shard's lock word names its
// holder by that number; numbers of the dead are told by trying their octet. This holds across threads, processes and
// containers of one machine; no process id is believed.
//
// Linux only in the .cc; elsewhere kSupported is false and nothing can be joined.
#pragma once
#include <functional>

#include "base/bytes.h"
#include "base/futex_lock.h"

namespace shardns::store {

struct FileProblem {
  const char* what = nullptr;
  int error = 0;                // errno, or 0
  bool mismatch = false;        // the file is sound, but not what was asked for
  const char* found = nullptr;  // what it has in place of that, where there is a word for it
};

// What openings of a file keep in it.
struct OpeningsHead {
  std::atomic<uint32_t> last;  // the number of the latest, ever
  // Set by the last to close, when all is on the disk: only then may what the file holds be believed after a restart
  // of the machine, which may have lost some of its pages and not others.
  std::atomic<uint32_t> clean;
};

// One opening of a file, whose descriptor and mapping belong to the caller and outlive it.
class Openings {
 public:
  static const bool kSupported;

  Openings() = default;
  ~Openings() = default;
  Openings(const Openings&) = delete;
  Openings& operator=(const Openings&) = delete;
  // Takes the next number. `settle` runs while no other opening can come or go; false = give up.
  bool Join(int fd, OpeningsHead* head, const std::function<bool()>& settle, FileProblem* problem);
  // Writes the mapping to the disk and says so in the file, if no other opening is left. The last call.
  void MarkCleanIfLast(MutableBytes memory);
  LockHolder holder() { return {.number = number_, .take_over = TakeOver, .context = this}; }

 private:
  static bool TakeOver(void* context, std::atomic<uint32_t>* word, uint32_t number);

  int fd_ = -1;
  uint32_t number_ = 0;
  OpeningsHead* head_ = nullptr;
};

}  // namespace shardns::store
