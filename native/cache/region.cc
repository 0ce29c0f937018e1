// Region sizing and memory.
#include "cache/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace shardns::cache {

namespace {

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
constexpr size_t kHeaderBytes = RoundUp(sizeof(Superblock), 4096);
constexpr size_t kTailSlack = 64;  // loose reads may run over the end of the last arena

uint32_t DefaultShards(size_t bytes) {
  uint32_t shards = 1;
  while (shards < 64 && bytes / (shards * 2) >= (size_t{4} << 20)) shards *= 2;
  return shards;
}

struct Split {
  uint32_t numerator[kQueues];  // of 100
};
// S3-FIFO gives its small queue a tenth (SOSP'23 section 4.1); negatives have a tenth under either policy.
constexpr Split kSplits[] = {{{9, 81, 10}}, {{0, 90, 10}}};

}  // namespace

LogRange RangeOf(PolicyKind policy, uint32_t arena_begin, uint32_t arena_end, size_t queue) {
  const Split& split = kSplits[static_cast<size_t>(policy)];
  const auto units = [&](size_t q) {
    return static_cast<uint32_t>(uint64_t{arena_end - arena_begin} * split.numerator[q] / 100);
  };
  uint32_t begin = arena_begin;
  for (size_t q = 0; q < queue; ++q) begin += units(q);
  return {begin, begin + units(queue)};
}

bool FormatRegion(uint8_t* base, const RegionOptions& options) {
  const uint32_t shards = options.shards != 0 ? options.shards : DefaultShards(options.bytes);
  if (shards > kMaxShards || (shards & (shards - 1)) != 0 || options.bytes < kMinRegionBytes) return false;
  const size_t shard_bytes = (options.bytes - kHeaderBytes - kTailSlack) / shards / 64 * 64;
  // The header may push a shard slightly under its minimum.
  if (shard_bytes < kMinShardBytes - RoundUp(kHeaderBytes, 65536) || shard_bytes > kMaxShardBytes) return false;

  Superblock* super = new (base) Superblock();
  super->layout_version = kLayoutVersion;
  super->header_bytes = kHeaderBytes;
  super->region_bytes = options.bytes;
  super->shard_bytes = shard_bytes;
  super->shards = shards;
  super->policy = options.policy;
  super->secret = ExpandSeed(options.seed);
  const size_t links = options.policy == PolicyKind::kLru ? sizeof(EntryLinks) : 0;
  const size_t body = shard_bytes - sizeof(ShardHeader);
  // A bucket of 8 slots filled to 0.9 for every 7.2 entries of the expected size.
  const double per_entry = options.average_entry_bytes + static_cast<double>(links);
  const double slot_bytes = sizeof(AtomicSlot) / 0.9;
  const size_t entries = static_cast<size_t>(static_cast<double>(body) / (per_entry + slot_bytes));
  super->buckets_per_shard =
      static_cast<uint32_t>(std::max<size_t>(1, static_cast<size_t>(static_cast<double>(entries) * slot_bytes) / 64));

  for (uint32_t s = 0; s < shards; ++s) {
    ShardHeader* header = new (base + super->header_bytes + shard_bytes * s) ShardHeader();
    const size_t arena_at = sizeof(ShardHeader) + size_t{super->buckets_per_shard} * sizeof(Bucket);
    header->index_units = static_cast<uint32_t>(arena_at / kUnit);
    for (size_t q = 0; q < kQueues; ++q) {
      const auto [begin, end] =
          RangeOf(options.policy, header->index_units, static_cast<uint32_t>(shard_bytes / kUnit), q);
      header->logs[q].Init(begin, end - begin);
    }
  }
  FenceRelease();
  super->magic = kRegionMagic;  // last: a half-formatted region is never taken for a whole one
  return true;
}

uint8_t* Layout::ShardBase(uint8_t* base, uint32_t shard) const { return base + kHeaderBytes + shard_bytes * shard; }

const char* CheckRegion(uint8_t* base, size_t bytes, Layout* layout) {
  if (bytes < kMinRegionBytes) return "it is smaller than any cache";
  Superblock* super = SuperblockOf(base);
  if (super->magic != kRegionMagic) return "it holds no cache, or one that is not laid out yet";
  FenceAcquire();
  if (super->layout_version != kLayoutVersion) return "its layout is of another version";
  if (super->header_bytes != kHeaderBytes) return "its sizes do not fit together";
  // Copied before they are checked: whoever shares the memory may change them at any time.
  uint8_t copy[offsetof(Superblock, secret)];
  RacyRead(copy, super, sizeof copy);
  const auto field = [&]<typename T>(size_t offset, T* to) { std::memcpy(to, copy + offset, sizeof *to); };
  field(offsetof(Superblock, region_bytes), &layout->region_bytes);
  field(offsetof(Superblock, shard_bytes), &layout->shard_bytes);
  field(offsetof(Superblock, shards), &layout->shards);
  field(offsetof(Superblock, buckets_per_shard), &layout->buckets_per_shard);
  field(offsetof(Superblock, policy), &layout->policy);
  if (layout->policy != PolicyKind::kS3Fifo && layout->policy != PolicyKind::kLru) return "its policy is unknown";
  const uint32_t shards = layout->shards;
  if (shards == 0 || shards > kMaxShards || (shards & (shards - 1)) != 0 || layout->region_bytes > bytes ||
      layout->shard_bytes % 64 != 0 || layout->shard_bytes > kMaxShardBytes ||
      layout->shard_bytes < sizeof(ShardHeader) + sizeof(Bucket) ||
      layout->shard_bytes > (bytes - kHeaderBytes - kTailSlack) / shards) {
    return "its sizes do not fit together";
  }
  const size_t buckets = (layout->shard_bytes - sizeof(ShardHeader)) / sizeof(Bucket);
  if (layout->buckets_per_shard == 0 || layout->buckets_per_shard >= buckets) return "its index does not fit";
  for (uint32_t s = 0; s < shards; ++s) {
    const auto* header = reinterpret_cast<const ShardHeader*>(layout->ShardBase(base, s));
    if (header->index_units != layout->arena_begin()) return "an arena does not begin where it should";
  }
  return nullptr;
}

namespace {

// A SharedArrayBuffer is aligned to 16; every thread of a process sees it at the same address.
MutableBytes AlignedPart(MutableBytes memory) {
  const size_t skip = -reinterpret_cast<uintptr_t>(memory.data()) % alignof(Superblock);
  return skip >= memory.size() ? MutableBytes() : memory.subspan(skip);
}

}  // namespace

std::unique_ptr<Region> Region::Create(const RegionOptions& options) {
  void* memory = mmap(nullptr, options.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(memory, options.bytes, MADV_HUGEPAGE);
#endif
  std::unique_ptr<Region> region(new Region(static_cast<uint8_t*>(memory), options.bytes));
  if (!FormatRegion(region->base(), options)) return nullptr;
  SHARDNS_CHECK(CheckRegion(region->base_, options.bytes, &region->layout_) == nullptr);
  return region;
}

std::unique_ptr<Region> Region::CreateIn(MutableBytes memory, RegionOptions options) {
  const MutableBytes aligned = AlignedPart(memory);
  options.bytes = aligned.size();
  if (!FormatRegion(aligned.data(), options)) return nullptr;
  const char* problem;
  return Attach(aligned, &problem);
}

std::unique_ptr<Region> Region::Attach(MutableBytes memory, const char** problem) {
  const MutableBytes aligned = AlignedPart(memory);
  std::unique_ptr<Region> region(new Region(aligned.data(), 0));
  *problem = CheckRegion(aligned.data(), aligned.size(), &region->layout_);
  return *problem == nullptr ? std::move(region) : nullptr;
}

Region::~Region() {
  if (owned_bytes_ != 0) munmap(base_, owned_bytes_);
}

}  // namespace shardns::cache
