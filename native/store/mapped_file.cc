// Finding a file, or making one and putting it in its place whole.
#include "store/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace shardns::store {

namespace {

constexpr size_t kLeastBytes = size_t{1} << 20;

// Every block now: a full disk is an error here, not a fault later.
#if defined(__linux__)
int TakeBlocks(int fd, size_t bytes) { return posix_fallocate(fd, 0, static_cast<off_t>(bytes)); }
#else
int TakeBlocks(int, size_t) { return ENOSYS; }
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

bool MappedFile::Map(size_t bytes, FileProblem* problem) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) {
    Fail(problem, "it cannot be mapped", errno);
    return false;
  }
  base_ = static_cast<uint8_t*>(memory);
  bytes_ = bytes;
  if (guard_.Take(base_, bytes_)) return true;
  Fail(problem, "too many such files are open in this process");
  return false;
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
  if (!Openings::kSupported) return Fail(problem, "files are shared on Linux only, so far");
  if (options.replace) return Make(options, problem);
  std::unique_ptr<MappedFile> file = Find(options, problem);
  if (file || problem->error != ENOENT) return file;
  file = Make(options, problem);
  // Somebody else was faster.
  return file || problem->error != EEXIST ? std::move(file) : Find(options, problem);
}

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
  if (!lost()) openings_.MarkCleanIfLast(memory());
  guard_.Release();
  if (base_ != nullptr) munmap(base_, bytes_);
  close(fd_);
}

}  // namespace shardns::store
