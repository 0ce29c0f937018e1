// Blocks out, blocks in.
#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/crc32c.h"

namespace shardns::snapshot {

namespace {

// Work space of one block and the bucket that overfills it.
constexpr size_t kBufferOctets = kBlockHead + kBlockOctets + store::kSlotsPerBucket * kMostRecord;
// Of a file: the most memory that a cache may have (lib/base/options.ts).
constexpr off_t kMostOctets = off_t{1} << 40;
// What is gathered in one hold of a shard's lock: about a quarter of a millisecond's worth.
constexpr size_t kOctetsAHold = size_t{1} << 19;

struct File {
  int fd;
  ~File() {
    if (fd >= 0) close(fd);
  }
  bool Write(const uint8_t* from, size_t n) const {
    while (n > 0) {
      const ssize_t written = write(fd, from, n);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      from += written;
      n -= static_cast<size_t>(written);
    }
    return true;
  }
  // How many of n octets there were; -1 on an error.
  ssize_t Read(uint8_t* to, size_t n) const {
    size_t got = 0;
    while (got < n) {
      const ssize_t part = read(fd, to + got, n - got);
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return -1;
      if (part == 0) break;
      got += static_cast<size_t>(part);
    }
    return static_cast<ssize_t>(got);
  }
};

// `body` octets follow the block's head; the end has 8 and says 0.
void FinishBlock(uint8_t* block, uint32_t octets, uint32_t records, size_t body) {
  std::memcpy(block, &octets, 4);
  std::memcpy(block + 4, &records, 4);
  const uint32_t crc = Crc32c(Crc32c(0, {block, 8}), {block + kBlockHead, body});
  std::memcpy(block + 8, &crc, 4);
}

// Writes blocks on a thread beside the one that gathers them: two buffers, one of them being written.
class BlockWriter {
 public:
  explicit BlockWriter(const File& file) : file_(file) {}
  ~BlockWriter() { Wait(); }

  // Where the next block's records go.
  uint8_t* records() { return buffers_[turn_].get() + kBlockHead; }
  // Hands the block over; false when this one or one before could not be written (errno).
  bool Put(size_t octets, uint32_t records) {
    if (!Wait()) return false;
    octets_ = octets;
    records_ = records;
    writing_ = turn_;
    turn_ ^= 1;
    threaded_ = pthread_create(&thread_, nullptr, Run, this) == 0;
    if (!threaded_) Run(this);
    return true;
  }
  bool Wait() {
    if (threaded_) pthread_join(thread_, nullptr);
    threaded_ = false;
    if (error_ != 0) errno = error_;
    return error_ == 0;
  }

 private:
  static void* Run(void* data) {
    auto* self = static_cast<BlockWriter*>(data);
    uint8_t* block = self->buffers_[self->writing_].get();
    FinishBlock(block, static_cast<uint32_t>(self->octets_), self->records_, self->octets_);
    if (!self->file_.Write(block, kBlockHead + self->octets_)) self->error_ = errno != 0 ? errno : EIO;
    return nullptr;
  }

  const File& file_;
  std::unique_ptr<uint8_t[]> buffers_[2] = {std::unique_ptr<uint8_t[]>(new uint8_t[kBufferOctets]),
                                            std::unique_ptr<uint8_t[]>(new uint8_t[kBufferOctets])};
  size_t turn_ = 0;
  size_t writing_ = 0;
  size_t octets_ = 0;
  uint32_t records_ = 0;
  int error_ = 0;
  pthread_t thread_;
  bool threaded_ = false;
};

Result Failed(const char* what, int error) {
  Result result;
  result.what = what;
  result.error = error;
  return result;
}

}  // namespace

template <typename Cache>
Result Save(Cache& cache, const SaveArgs& args) {
  std::string aside = std::string(args.path) + ".XXXXXX";
  // A new file of mode 0600, whatever stands there: a link of that name is not followed.
  const File file{mkostemp(aside.data(), O_CLOEXEC)};
  if (file.fd < 0) return Failed("it cannot be made", errno);
  const auto give_up = [&] {
    const Result failed = Failed("it cannot be written", errno);
    unlink(aside.c_str());
    return failed;
  };
  uint8_t head[kHeadOctets] = {};
  std::memcpy(head, kMagic, sizeof kMagic);
  const uint32_t kind = static_cast<uint32_t>(Cache::kKind);
  std::memcpy(head + 8, &kVersion, 4);
  std::memcpy(head + 12, &kind, 4);
  std::memcpy(head + 16, &args.wall_ms, 8);
  std::memcpy(head + 24, &args.rules, 8);
  const uint32_t head_crc = Crc32c(0, {head, kHeadOctets - 4});
  std::memcpy(head + kHeadOctets - 4, &head_crc, 4);
  if (!file.Write(head, sizeof head)) return give_up();

  Result result;
  result.octets = sizeof head;
  BlockWriter writer(file);
  size_t filled = 0;
  uint32_t records = 0;
  const auto flush = [&] {
    if (records == 0) return true;
    result.entries += records;
    result.octets += kBlockHead + filled;
    const bool put = writer.Put(filled, records);
    filled = records = 0;
    return put;
  };
  const auto visit = [&](const uint8_t* at, const auto& header, uint32_t freq) {
    const size_t octets = WriteRecord(cache, at, header, freq, args.now_ms, writer.records() + filled);
    filled += octets;
    records += octets != 0;
  };
  for (uint32_t s = 0; s < cache.shards(); ++s) {
    for (uint32_t bucket = 0; bucket < cache.shard(s).bucket_count();) {
      const size_t until = std::min(filled + kOctetsAHold, kBlockOctets);
      bucket = cache.shard(s).Visit(bucket, visit, [&] { return filled >= until; });
      if (filled >= kBlockOctets && !flush()) return give_up();
    }
  }
  if (!flush() || !writer.Wait()) return give_up();
  uint8_t end[kBlockHead + 8];
  std::memcpy(end + kBlockHead, &result.entries, 8);
  FinishBlock(end, 0, kEndRecords, 8);
  if (!file.Write(end, sizeof end)) return give_up();
  result.octets += sizeof end;
  if (rename(aside.c_str(), args.path) != 0) return give_up();
  return result;
}

namespace {

// Reads blocks one after another, checked. The end is reached when `done`; damage when Next() is false before.
class Blocks {
 public:
  explicit Blocks(const File& file) : file_(file), buffer_(new uint8_t[kBufferOctets]) {}

  bool Next() {
    uint8_t* block = buffer_.get();
    if (file_.Read(block, kBlockHead) != static_cast<ssize_t>(kBlockHead)) return false;
    octets_ = LoadNative<uint32_t>(block);
    const uint32_t records = LoadNative<uint32_t>(block + 4);
    const bool end = octets_ == 0 && records == kEndRecords;
    const size_t body = end ? 8 : octets_;
    if (body > kBufferOctets - kBlockHead || (!end && octets_ == 0)) return false;
    if (file_.Read(block + kBlockHead, body) != static_cast<ssize_t>(body)) return false;
    if (Crc32c(Crc32c(0, {block, 8}), {block + kBlockHead, body}) != LoadNative<uint32_t>(block + 8)) return false;
    done_ = end;
    if (end) return LoadNative<uint64_t>(block + kBlockHead) == records_;
    records_ += records;
    return true;
  }
  bool done() const { return done_; }
  Bytes records() const { return {buffer_.get() + kBlockHead, octets_}; }

 private:
  const File& file_;
  std::unique_ptr<uint8_t[]> buffer_;
  size_t octets_ = 0;
  uint64_t records_ = 0;
  bool done_ = false;
};

}  // namespace

namespace {

// Whether what a snapshot says can be believed: it decides what clients are told, so only its user, or root, may have
// written it.
Result Judge(const File& file) {
  struct stat status;
  if (fstat(file.fd, &status) != 0) return Failed("it cannot be looked at", errno);
  if (!S_ISREG(status.st_mode)) return Failed("it is no regular file", 0);
  if (status.st_uid != geteuid() && status.st_uid != 0) return Failed("it belongs to another user", 0);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Failed("others may write to it: take that right away (chmod go-w)", 0);
  }
  if (status.st_size > kMostOctets) return Failed("it is greater than any cache", 0);
  return {};
}

}  // namespace

template <typename Cache>
Result Load(Cache& cache, const LoadArgs& args) {
  // O_NONBLOCK: a FIFO or a device in the file's place is refused, not waited for.
  const File file{open(args.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  if (file.fd < 0 && errno == ELOOP) return Failed("it is a symbolic link, which is not followed", 0);
  if (file.fd < 0) return Failed("it cannot be opened", errno);
  if (const Result refused = Judge(file); refused.what != nullptr) return refused;
  uint8_t head[kHeadOctets];
  const ssize_t got = file.Read(head, sizeof head);
  if (got < 0) return Failed("it cannot be read", errno);
  if (got != static_cast<ssize_t>(sizeof head) || std::memcmp(head, kMagic, sizeof kMagic) != 0) {
    return Failed("it is no snapshot", 0);
  }
  if (LoadNative<uint32_t>(head + 8) != kVersion) return Failed("it is of another version", 0);
  if (Crc32c(0, {head, kHeadOctets - 4}) != LoadNative<uint32_t>(head + kHeadOctets - 4)) {
    return Failed("its head is damaged", 0);
  }
  if (LoadNative<uint32_t>(head + 12) != static_cast<uint32_t>(Cache::kKind)) {
    return Failed("its entries are of another kind", 0);
  }
  const uint64_t rules = LoadNative<uint64_t>(head + 24);
  if (args.rules != 0 && rules != 0 && rules != args.rules) return Failed("its answers were made by other rules", 0);
  Result result;
  if (!args.keep_undamaged) {
    Blocks blocks(file);
    while (blocks.Next() && !blocks.done()) {
    }
    if (!blocks.done()) {
      Result damaged = Failed("it is damaged", 0);
      damaged.damaged = true;
      return damaged;
    }
    if (lseek(file.fd, kHeadOctets, SEEK_SET) < 0) return Failed("it cannot be read", errno);
  }
  const uint64_t saved = LoadNative<uint64_t>(head + 16);
  // A wall clock that has been set back since lets nothing live longer than it had left.
  const uint64_t elapsed_ms = args.wall_ms > saved ? args.wall_ms - saved : 0;
  const RestoreArgs restore = {.now_ms = args.now_ms,
                               .elapsed_ms = elapsed_ms,
                               .wall_seconds = static_cast<uint32_t>(args.wall_ms / 1000),
                               .ttl = args.ttl};
  const auto scratch = std::make_unique<answers::PrepareScratch>();
  Blocks blocks(file);
  while (blocks.Next() && !blocks.done()) {
    result.octets += blocks.records().size();
    // Memory is asked for a few records ahead.
    constexpr size_t kAhead = 8;
    Bytes ahead = blocks.records();
    const auto prefetch = [&] {
      const size_t octets = RecordOctets(cache, ahead);
      if (octets != 0) PrefetchRecord(cache, ahead.first(octets));
      ahead = octets == 0 ? Bytes() : ahead.subspan(octets);
    };
    for (size_t i = 0; i < kAhead; ++i) prefetch();
    for (Bytes left = blocks.records(); !left.empty();) {
      const size_t octets = RecordOctets(cache, left);
      if (octets == 0) {
        ++result.rejected;
        break;  // with a right checksum: somebody made it so
      }
      prefetch();
      const Restored restored = RestoreRecord(cache, left.first(octets), restore, scratch.get());
      result.entries += restored == Restored::kStored;
      result.expired += restored == Restored::kExpired;
      result.rejected += restored == Restored::kRejected;
      left = left.subspan(octets);
    }
  }
  result.damaged = !blocks.done();
  return result;
}

template Result Save(answers::Cache&, const SaveArgs&);
template Result Save(bytes::ByteCache&, const SaveArgs&);
template Result Load(answers::Cache&, const LoadArgs&);
template Result Load(bytes::ByteCache&, const LoadArgs&);

}  // namespace shardns::snapshot
