// Numbers, and locks on octets far beyond the file's end.
#include "store/openings.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ctime>

namespace shardns::store {

namespace {

#if defined(__linux__) && defined(F_OFD_SETLK)
constexpr off_t kArbiterOctet = off_t{1} << 60;
off_t OctetOf(uint32_t number) { return kArbiterOctet + number; }

struct flock OctetLock(off_t octet, short kind) {
  struct flock lock = {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  lock.l_start = octet;
  lock.l_len = 1;
  return lock;
}
bool LockOctet(int fd, off_t octet) {
  struct flock lock = OctetLock(octet, F_WRLCK);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}
void UnlockOctet(int fd, off_t octet) {
  struct flock lock = OctetLock(octet, F_UNLCK);
  fcntl(fd, F_OFD_SETLK, &lock);
}
bool OctetIsLocked(int fd, off_t octet) {
  struct flock lock = OctetLock(octet, F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
// Whether another opening holds a number.
bool AnyOctetIsLocked(int fd) {
  struct flock lock = OctetLock(OctetOf(1), F_WRLCK);
  lock.l_len = off_t{FutexLock::kContended};
  return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
constexpr bool kHasLocks = true;
#else
constexpr off_t kArbiterOctet = 0;
off_t OctetOf(uint32_t) { return 0; }
bool LockOctet(int, off_t) { return false; }
void UnlockOctet(int, off_t) {}
bool OctetIsLocked(int, off_t) { return true; }
bool AnyOctetIsLocked(int) { return true; }
constexpr bool kHasLocks = false;
#endif

}  // namespace

const bool Openings::kSupported = kHasLocks;

bool Openings::Join(int fd, OpeningsHead* head, const std::function<bool()>& settle, FileProblem* problem) {
  fd_ = fd;
  constexpr int kTries = 5000;
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 1'000'000};
  for (int i = 0; !LockOctet(fd_, kArbiterOctet); ++i) {
    if (i == kTries) {
      *problem = {.what = "another process has kept it to itself for five seconds"};
      return false;
    }
    nanosleep(&kPause, nullptr);
  }
  const bool settled = settle();
  for (int i = 0; settled && number_ == 0; ++i) {
    const uint32_t number = (head->last.fetch_add(1) + 1) & ~FutexLock::kContended;
    if (number != 0 && LockOctet(fd_, OctetOf(number))) number_ = number;
    if (number_ == 0 && i == kTries) {
      *problem = {.what = "it gives out numbers that are taken"};
      break;
    }
  }
  if (number_ != 0) {
    head_ = head;
    head->clean.store(0);
  }
  UnlockOctet(fd_, kArbiterOctet);
  return number_ != 0;
}

void Openings::MarkCleanIfLast(MutableBytes memory) {
  if (head_ == nullptr || !LockOctet(fd_, kArbiterOctet)) return;
  if (!AnyOctetIsLocked(fd_)) {
    // The flag only after what it vouches for.
    if (msync(memory.data(), memory.size(), MS_SYNC) == 0) head_->clean.store(1);
    msync(memory.data(), 4096, MS_SYNC);
  }
  UnlockOctet(fd_, kArbiterOctet);
}

bool Openings::TakeOver(void* context, std::atomic<uint32_t>* word, uint32_t number) {
  const auto* self = static_cast<Openings*>(context);
  uint32_t seen = word->load();
  const uint32_t holder = seen & ~FutexLock::kContended;
  // Its number is nobody else's, ever: if the word is unchanged, so is its holder, dead.
  return holder != 0 && holder != number && !OctetIsLocked(self->fd_, OctetOf(holder)) &&
         word->compare_exchange_strong(seen, number | FutexLock::kContended);
}

}  // namespace shardns::store
