// A file mapped by several processes: how it is opened, who of them lives, and what happens when it is cut short.
//
// Each opening takes a number that none has had before, and with it an open-file-description lock on an octet far
// beyond the file's end, which the kernel lets go when the process dies, however it dies. A shard's lock word names its
// holder by that number; numbers of the dead are told by trying their octet. This holds across threads, processes and
// containers of one machine; no process id is believed.
//
// Linux only in the .cc; elsewhere Open() says so.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/futex_lock.h"

namespace shardns::store {

struct FileProblem {
  const char* what = nullptr;
  int error = 0;          // errno, or 0
  bool mismatch = false;  // the file is sound, but not what was asked for
};

// How a region's time goes on over restarts of the machine: by the wall clock, which is looked at then only.
struct ClockAnchor {
  char boot[40];       // names this start of the machine
  uint64_t offset_ms;  // region time = monotonic clock + this, in this boot
  uint64_t wall_ms;    // the wall clock at
  uint64_t region_ms;  // this region time
  static ClockAnchor Begin(uint64_t monotonic_ms, uint64_t wall_ms);
  enum class Since { kSameStart, kRestart, kBackwards };
  // kBackwards: the wall clock stands before the anchor, so nobody can say how much time has passed.
  Since Continue(uint64_t monotonic_ms, uint64_t now_wall_ms, uint64_t* offset);
};

// What openings of a file keep in it.
struct OpeningsHead {
  std::atomic<uint32_t> last;  // the number of the latest, ever
  // Set by the last to close, when all is on the disk: only then may what the file holds be believed after a restart
  // of the machine, which may have lost some of its pages and not others.
  std::atomic<uint32_t> clean;
};

class MappedFile {
 public:
  struct Options {
    const char* path;
    size_t bytes;           // of a new file
    bool any_size = false;  // of one that is there
    bool replace = false;   // puts a new file in the place of whatever is there
    // Fills the zeroed memory of a new file, which others see only when it is done; false = it is too small.
    std::function<bool(MutableBytes)> lay_out;
  };
  static std::unique_ptr<MappedFile> Open(const Options& options, FileProblem* problem);
  // Takes the next number. `settle` runs while no other opening can come or go; false = give up.
  bool Join(OpeningsHead* head, const std::function<bool()>& settle, FileProblem* problem);
  ~MappedFile();

  MutableBytes memory() const { return {base_, bytes_}; }
  LockHolder holder() { return {.number = number_, .take_over = TakeOver, .context = this}; }
  // Whether the file was cut under the mapping. The memory is anonymous and zero from then on, so that nobody who is
  // at it crashes.
  bool lost() const;
  // Whether it is shorter than the mapping, met or not.
  bool Cut() const;
  // Whether the path still leads to this file.
  bool Replaced() const;

 private:
  MappedFile(int fd, const char* path) : fd_(fd), path_(path) {}
  static std::unique_ptr<MappedFile> Make(const Options& options, FileProblem* problem);
  static std::unique_ptr<MappedFile> Find(const Options& options, FileProblem* problem);
  bool Map(size_t bytes, FileProblem* problem);
  void MarkCleanIfLast();
  static bool TakeOver(void* context, std::atomic<uint32_t>* word, uint32_t number);

  int fd_;
  std::string path_;
  uint8_t* base_ = nullptr;
  size_t bytes_ = 0;
  uint32_t number_ = 0;
  OpeningsHead* head_ = nullptr;
  int guard_ = -1;  // its place among the guarded mappings
};

}  // namespace shardns::store
