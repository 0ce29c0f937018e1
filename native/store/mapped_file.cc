// Opening, numbering, taking over, and the guard against files that are cut short.
#include "store/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

namespace shardns::store {

namespace {

constexpr size_t kLeastBytes = size_t{1} << 20;

void ReadBoot(char* boot, size_t size) {
  std::memset(boot, 0, size);
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // every start of the machine looks alike; the clock then only stands still
  if (read(fd, boot, size - 1) < 0) boot[0] = 0;
  close(fd);
}

// --- the guard: a fault beyond the end of a cut file puts zeroed memory in the mapping's place ---

struct Guard {
  std::atomic<uint8_t*> base{nullptr};
  std::atomic<size_t> bytes{0};
  std::atomic<bool> faulted{false};
  std::atomic<bool> lost{false};  // the memory is another now
  std::atomic<bool> taken{false};
};
constexpr int kGuards = 256;
Guard guards[kGuards];
struct sigaction previous_action;

// Puts zeroed memory in the mapping's place, by the bare system call where there is one: nothing that a sanitizer or a
// preloaded library puts around mmap() may run in a signal handler, and to them the pages of readers would be written.
bool ReplaceByZeros(uint8_t* base, size_t bytes) {
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef __linux__
  return syscall(SYS_mmap, base, bytes, kProtection, kFlags, -1, 0) == reinterpret_cast<intptr_t>(base);
#else
  return mmap(base, bytes, kProtection, kFlags, -1, 0) == base;
#endif
}

void OnBusError(int signal_number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guard& guard : guards) {
    uint8_t* base = guard.base.load();
    const auto begin = reinterpret_cast<uintptr_t>(base);
    if (base == nullptr || address < begin || address >= begin + guard.bytes.load()) continue;
    // Another thread is at it, or was: the access is tried again.
    if (guard.faulted.exchange(true)) return;
    // Everybody goes on with empty memory; each shard begins anew when it is next locked.
    if (ReplaceByZeros(base, guard.bytes.load())) {
      guard.lost = true;
      return;
    }
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
  } else {
    signal(signal_number, SIG_DFL);  // the access is tried again, and ends the process as it should
  }
}

int TakeGuard(uint8_t* base, size_t bytes) {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &previous_action) == 0;
  }();
  if (!installed) return -1;
  for (int i = 0; i < kGuards; ++i) {
    if (guards[i].taken.exchange(true)) continue;
    guards[i].faulted = false;
    guards[i].lost = false;
    guards[i].bytes = bytes;
    guards[i].base = base;
    return i;
  }
  return -1;
}

void FreeGuard(int number) {
  guards[number].base = nullptr;
  guards[number].taken = false;
}

// --- locks on octets far beyond the file's end ---

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
// Every block now: a full disk is an error here, not a fault later.
int TakeBlocks(int fd, size_t bytes) { return posix_fallocate(fd, 0, static_cast<off_t>(bytes)); }
constexpr bool kSupported = true;
#else
constexpr off_t kArbiterOctet = 0;
off_t OctetOf(uint32_t) { return 0; }
bool LockOctet(int, off_t) { return false; }
void UnlockOctet(int, off_t) {}
bool OctetIsLocked(int, off_t) { return true; }
bool AnyOctetIsLocked(int) { return true; }
int TakeBlocks(int, size_t) { return ENOSYS; }
constexpr bool kSupported = false;
#endif

std::nullptr_t Fail(FileProblem* problem, const char* what, int error = 0, bool mismatch = false) {
  *problem = {.what = what, .error = error, .mismatch = mismatch};
  return nullptr;
}

// A file is replaced only if it begins as ours do, or with nothing, as after a loss of power.
bool MayBeOurs(int fd) {
  uint64_t magic = 0;
  if (pread(fd, &magic, sizeof magic, 0) < 0) return false;
  const auto ours = [](uint64_t word) { return std::memcmp(&word, "SHARDN", 6) == 0; };
  return magic == 0 || ours(magic) || ours(__builtin_bswap64(magic));
}

// A file without a name in the folder of `path`; where that cannot be, one with a name of chance, left in `name`.
int MakeNameless(const std::string& path, std::string* name) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
#ifdef O_TMPFILE
  const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd;
#endif
  *name = path + ".XXXXXX";
  const int named = mkstemp(name->data());
  if (named >= 0) fcntl(named, F_SETFD, FD_CLOEXEC);
  return named;
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

bool MappedFile::Map(size_t bytes, FileProblem* problem) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) {
    Fail(problem, "it cannot be mapped", errno);
    return false;
  }
  base_ = static_cast<uint8_t*>(memory);
  bytes_ = bytes;
  guard_ = TakeGuard(base_, bytes_);
  if (guard_ < 0) Fail(problem, "too many such files are open in this process");
  return guard_ >= 0;
}

std::unique_ptr<MappedFile> MappedFile::Find(const Options& options, FileProblem* problem) {
  // O_NONBLOCK: a device in the file's place is refused, not waited for.
  const int fd = open(options.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ELOOP) return Fail(problem, "it is a symbolic link, which is not followed");
  if (fd < 0) return Fail(problem, "it cannot be opened", errno);
  std::unique_ptr<MappedFile> file(new MappedFile(fd, options.path));
  struct stat status;
  if (fstat(fd, &status) != 0) return Fail(problem, "it cannot be looked at", errno);
  if (!S_ISREG(status.st_mode)) return Fail(problem, "it is no regular file");
  if (status.st_uid != geteuid()) return Fail(problem, "it belongs to another user");
  if ((status.st_mode & 077) != 0) return Fail(problem, "others have rights to it: its mode must be 0600");
  if (!MayBeOurs(fd)) return Fail(problem, "it holds something else");
  const auto size = static_cast<size_t>(status.st_size);
  if (!options.any_size && size != options.bytes) return Fail(problem, "it has another size", 0, true);
  if (size < kLeastBytes) return Fail(problem, "it is smaller than any cache", 0, true);
  return file->Map(size, problem) ? std::move(file) : nullptr;
}

std::unique_ptr<MappedFile> MappedFile::Make(const Options& options, FileProblem* problem) {
  std::string name;
  const int fd = MakeNameless(options.path, &name);
  if (fd < 0) return Fail(problem, "it cannot be made", errno);
  std::unique_ptr<MappedFile> file(new MappedFile(fd, options.path));
  const int full = TakeBlocks(fd, options.bytes);
  bool done = full == 0;
  if (!done) Fail(problem, "there is no room for it", full);
  done = done && file->Map(options.bytes, problem);
  if (done && !options.lay_out(file->memory())) {
    Fail(problem, "it is too small for that many shards");
    done = false;
  }
  if (done) {
    const std::string aside = name.empty() ? std::string(options.path) + "." + std::to_string(getpid()) + ".new" : name;
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    int result = 0;
    if (options.replace) {
      if (name.empty()) {
        unlink(aside.c_str());
        result = linkat(AT_FDCWD, self.c_str(), AT_FDCWD, aside.c_str(), AT_SYMLINK_FOLLOW);
      }
      if (result == 0) result = rename(aside.c_str(), options.path);
      if (result == 0) name.clear();
    } else if (name.empty()) {
      result = linkat(AT_FDCWD, self.c_str(), AT_FDCWD, options.path, AT_SYMLINK_FOLLOW);
    } else {
      result = link(name.c_str(), options.path);
    }
    done = result == 0;
    if (!done) Fail(problem, "it cannot be put in its place", errno);
  }
  if (!name.empty()) unlink(name.c_str());
  return done ? std::move(file) : nullptr;
}

std::unique_ptr<MappedFile> MappedFile::Open(const Options& options, FileProblem* problem) {
  if (!kSupported) return Fail(problem, "files are shared on Linux only, so far");
  if (options.replace) return Make(options, problem);
  std::unique_ptr<MappedFile> file = Find(options, problem);
  if (file || problem->error != ENOENT) return file;
  file = Make(options, problem);
  // Somebody else was faster.
  return file || problem->error != EEXIST ? std::move(file) : Find(options, problem);
}

bool MappedFile::Join(OpeningsHead* head, const std::function<bool()>& settle, FileProblem* problem) {
  constexpr int kTries = 5000;
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 1'000'000};
  for (int i = 0; !LockOctet(fd_, kArbiterOctet); ++i) {
    if (i == kTries) {
      Fail(problem, "another process has kept it to itself for five seconds");
      return false;
    }
    nanosleep(&kPause, nullptr);
  }
  const bool settled = settle();
  for (int i = 0; settled && number_ == 0; ++i) {
    const uint32_t number = (head->last.fetch_add(1) + 1) & ~FutexLock::kContended;
    if (number != 0 && LockOctet(fd_, OctetOf(number))) number_ = number;
    if (number_ == 0 && i == kTries) {
      Fail(problem, "it gives out numbers that are taken");
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

void MappedFile::MarkCleanIfLast() {
  if (head_ == nullptr || lost() || !LockOctet(fd_, kArbiterOctet)) return;
  if (!AnyOctetIsLocked(fd_)) {
    // The flag only after what it vouches for.
    if (msync(base_, bytes_, MS_SYNC) == 0) head_->clean.store(1);
    msync(base_, 4096, MS_SYNC);
  }
  UnlockOctet(fd_, kArbiterOctet);
}

bool MappedFile::TakeOver(void* context, std::atomic<uint32_t>* word, uint32_t number) {
  const auto* self = static_cast<MappedFile*>(context);
  uint32_t seen = word->load();
  const uint32_t holder = seen & ~FutexLock::kContended;
  // Its number is nobody else's, ever: if the word is unchanged, so is its holder, dead.
  return holder != 0 && holder != number && !OctetIsLocked(self->fd_, OctetOf(holder)) &&
         word->compare_exchange_strong(seen, number | FutexLock::kContended);
}

bool MappedFile::lost() const { return guards[guard_].lost.load(std::memory_order_relaxed); }

bool MappedFile::Cut() const {
  struct stat here;
  return lost() || fstat(fd_, &here) != 0 || static_cast<size_t>(here.st_size) < bytes_;
}

bool MappedFile::Replaced() const {
  struct stat here, there;
  return fstat(fd_, &here) != 0 || stat(path_.c_str(), &there) != 0 || here.st_ino != there.st_ino ||
         here.st_dev != there.st_dev;
}

MappedFile::~MappedFile() {
  MarkCleanIfLast();
  if (guard_ >= 0) FreeGuard(guard_);
  if (base_ != nullptr) munmap(base_, bytes_);
  close(fd_);
}

}  // namespace shardns::store
