// Region sizing and memory.
#include "store/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "store/policies.h"

namespace shardns::store {

namespace {

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
size_t HeaderBytes(size_t region_bytes) {
  return RoundUp(sizeof(Superblock) + InvalidationTable::PlacesFor(region_bytes) * sizeof(InvalidationTable::Place),
                 4096);
}
constexpr size_t kTailSlack = 64;  // loose reads may run over the end of the last arena

uint32_t DefaultShards(size_t bytes) {
  uint32_t shards = 1;
  while (shards < 64 && bytes / (shards * 2) >= (size_t{4} << 20)) shards *= 2;
  return shards;
}

// The negative queue's share by what entries are: a tenth for answers, less for a byte cache, whose noted failures are
// few and small.
constexpr uint32_t kNegativePercent[2] = {10, 3};

}  // namespace

LogRange RangeOf(const Layout& layout, size_t queue) {
  const uint64_t arena = layout.arena_end() - layout.arena_begin();
  const uint64_t negative = arena * kNegativePercent[static_cast<size_t>(layout.kind)] / 100;
  const uint64_t small = (arena - negative) * TraitsOf(layout.policy).small_percent / 100;
  const uint64_t units[kQueues] = {small, arena - negative - small, negative};
  uint32_t begin = layout.arena_begin();
  for (size_t q = 0; q < queue; ++q) begin += static_cast<uint32_t>(units[q]);
  return {begin, begin + static_cast<uint32_t>(units[queue])};
}

size_t Layout::sketch_octets() const {
  return TraitsOf(policy).sketch ? size_t{FrequencySketch::LinesFor(buckets_per_shard)} * FrequencySketch::kLineOctets
                                 : 0;
}

namespace {

// Its head; an index of zeros is an empty one.
void BeginShard(uint8_t* base, const Layout& layout, uint32_t shard) {
  auto* header = new (layout.ShardBase(base, shard)) ShardHeader();
  for (size_t q = 0; q < kQueues; ++q) {
    const auto [begin, end] = RangeOf(layout, q);
    header->logs[q].Init(begin, end - begin);
  }
}

}  // namespace

bool FormatRegion(uint8_t* base, const RegionOptions& options) {
  const uint32_t shards = options.shards != 0 ? options.shards : DefaultShards(options.bytes);
  if (shards > kMaxShards || (shards & (shards - 1)) != 0 || options.bytes < kMinRegionBytes) return false;
  const size_t header_bytes = HeaderBytes(options.bytes);
  const size_t shard_bytes = (options.bytes - header_bytes - kTailSlack) / shards / 64 * 64;
  // The header may push a shard slightly under its minimum.
  if (shard_bytes < kMinShardBytes - RoundUp(header_bytes, 65536) || shard_bytes > kMaxShardBytes) return false;

  Superblock* super = new (base) Superblock();
  super->layout_version = kLayoutVersion;
  super->header_bytes = static_cast<uint32_t>(header_bytes);
  super->region_bytes = options.bytes;
  super->shard_bytes = shard_bytes;
  super->shards = shards;
  super->policy = options.policy;
  super->kind = options.kind;
  super->secret = ExpandSeed(options.seed);
  super->configuration = options.configuration;
  const PolicyTraits policy = TraitsOf(options.policy);
  const size_t links = policy.lists ? sizeof(EntryLinks) : 0;
  const size_t body = shard_bytes - sizeof(ShardHeader);
  // A bucket of 8 slots filled to 0.9 for every 7.2 entries of the expected size.
  const double per_entry = options.average_entry_bytes + static_cast<double>(links);
  const double sketched = policy.sketch ? double{FrequencySketch::kLineOctets} / kSlotsPerBucket : 0;
  const double slot_bytes = sizeof(AtomicSlot) / 0.9;
  const size_t entries = static_cast<size_t>(static_cast<double>(body) / (per_entry + slot_bytes + sketched / 0.9));
  super->buckets_per_shard =
      static_cast<uint32_t>(std::max<size_t>(1, static_cast<size_t>(static_cast<double>(entries) * slot_bytes) / 64));

  const Layout layout = {options.bytes,  shard_bytes,  shards,       super->buckets_per_shard,
                         options.policy, options.kind, super->secret};
  for (uint32_t s = 0; s < shards; ++s) BeginShard(base, layout, s);
  FenceRelease();
  super->magic = kRegionMagic;  // last: a half-formatted region is never taken for a whole one
  return true;
}

size_t Layout::header_bytes() const { return HeaderBytes(region_bytes); }

InvalidationTable Layout::Invalidations(uint8_t* base) const {
  return {&SuperblockOf(base)->invalidations, reinterpret_cast<InvalidationTable::Place*>(base + sizeof(Superblock)),
          InvalidationTable::PlacesFor(region_bytes)};
}

const char* CheckRegion(uint8_t* base, size_t bytes, RegionKind kind, Layout* layout) {
  if (bytes < kMinRegionBytes) return "it is smaller than any cache";
  Superblock* super = SuperblockOf(base);
  if (super->magic == __builtin_bswap64(kRegionMagic)) return "it was laid out by a machine of other endianness";
  if (super->magic != kRegionMagic) return "it holds no cache, or one that is not laid out yet";
  FenceAcquire();
  if (super->layout_version != kLayoutVersion) return "its layout is of another version";
  // Copied before they are checked: whoever shares the memory may change them at any time.
  uint8_t copy[offsetof(Superblock, secret) + sizeof(HashSecret)];
  RacyRead(copy, super, sizeof copy);
  const auto field = [&]<typename T>(size_t offset, T* to) { std::memcpy(to, copy + offset, sizeof *to); };
  field(offsetof(Superblock, region_bytes), &layout->region_bytes);
  field(offsetof(Superblock, shard_bytes), &layout->shard_bytes);
  field(offsetof(Superblock, shards), &layout->shards);
  field(offsetof(Superblock, buckets_per_shard), &layout->buckets_per_shard);
  field(offsetof(Superblock, policy), &layout->policy);
  field(offsetof(Superblock, kind), &layout->kind);
  field(offsetof(Superblock, secret), &layout->secret);
  if (layout->kind != kind) return "its entries are of another kind";
  if (static_cast<uint32_t>(layout->policy) >= kPolicies) return "its policy is unknown";
  const uint32_t shards = layout->shards;
  if (shards == 0 || shards > kMaxShards || (shards & (shards - 1)) != 0 || layout->region_bytes > bytes ||
      layout->region_bytes < kMinRegionBytes || super->header_bytes != layout->header_bytes() ||
      layout->shard_bytes % 64 != 0 || layout->shard_bytes > kMaxShardBytes ||
      layout->shard_bytes < sizeof(ShardHeader) + sizeof(Bucket) ||
      layout->shard_bytes > (layout->region_bytes - layout->header_bytes() - kTailSlack) / shards) {
    return "its sizes do not fit together";
  }
  const size_t buckets = (layout->shard_bytes - sizeof(ShardHeader)) / sizeof(Bucket);
  if (layout->buckets_per_shard == 0 || layout->buckets_per_shard >= buckets ||
      layout->arena_begin() >= layout->arena_end()) {
    return "its index does not fit";
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
  SHARDNS_CHECK(CheckRegion(region->base_, options.bytes, options.kind, &region->layout_) == nullptr);
  return region;
}

std::unique_ptr<Region> Region::CreateIn(MutableBytes memory, RegionOptions options) {
  const MutableBytes aligned = AlignedPart(memory);
  options.bytes = aligned.size();
  if (!FormatRegion(aligned.data(), options)) return nullptr;
  const char* problem;
  return Attach(aligned, options.kind, &problem);
}

std::unique_ptr<Region> Region::Attach(MutableBytes memory, RegionKind kind, const char** problem) {
  const MutableBytes aligned = AlignedPart(memory);
  std::unique_ptr<Region> region(new Region(aligned.data(), 0));
  *problem = CheckRegion(aligned.data(), aligned.size(), kind, &region->layout_);
  return *problem == nullptr ? std::move(region) : nullptr;
}

std::unique_ptr<Region> Region::Open(const FileOptions& options, FileProblem* problem) {
  const auto lay_out = [&](MutableBytes memory) {
    RegionOptions region = options.region;
    region.bytes = memory.size();
    if (!FormatRegion(memory.data(), region)) return false;
    SuperblockOf(memory.data())->clock = ClockAnchor::Begin(options.monotonic_ms, options.wall_ms);
    return true;
  };
  for (bool replace = false;; replace = true) {
    *problem = {};
    std::unique_ptr<MappedFile> file = MappedFile::Open({.path = options.path,
                                                         .bytes = options.region.bytes,
                                                         .any_size = options.any_size,
                                                         .replace = replace,
                                                         .lay_out = lay_out},
                                                        problem);
    if (file) {
      std::unique_ptr<Region> region(new Region(file->memory().data(), 0));
      if (region->Settle(options, file.get(), problem)) {
        region->file_ = std::move(file);
        return region;
      }
    }
    if (replace || !options.recreate || !problem->mismatch) return nullptr;
  }
}

// Empties every shard, whatever is in it. Nobody else is at them.
void Region::ForgetEverything() {
  for (uint32_t s = 0; s < layout_.shards; ++s) {
    BeginShard(base_, layout_, s);
    std::memset(layout_.ShardBase(base_, s) + sizeof(ShardHeader), 0,
                size_t{layout_.buckets_per_shard} * sizeof(Bucket) + layout_.sketch_octets());
  }
}

// Whether the file's region is what was asked for, and this opening one of those at it.
bool Region::Settle(const FileOptions& options, MappedFile* file, FileProblem* problem) {
  const auto refuse = [&](const char* what) {
    problem->what = what;
    problem->mismatch = true;
    return false;
  };
  const auto settle = [&] {
    Superblock* super = SuperblockOf(base_);
    switch (super->clock.Continue(options.monotonic_ms, options.wall_ms, &clock_offset_ms_)) {
      case ClockAnchor::Since::kBackwards:
        return refuse("it was used at a later time than it is now");
      case ClockAnchor::Since::kRestart:
        if (super->openings.clean.load() == 0) ForgetEverything();
        return true;
      case ClockAnchor::Since::kSameStart:
        return true;
    }
    return false;
  };
  if (const char* what = CheckRegion(base_, file->memory().size(), options.region.kind, &layout_)) return refuse(what);
  if (!options.any_policy && layout_.policy != options.region.policy) {
    problem->found = TraitsOf(layout_.policy).name;
    return refuse("it has another policy");
  }
  if (options.region.shards != 0 && layout_.shards != options.region.shards) {
    return refuse("it has another number of shards");
  }
  const uint64_t configuration = SuperblockOf(base_)->configuration.load();
  if (options.region.configuration != 0 && configuration != 0 && configuration != options.region.configuration) {
    return refuse(options.other_configuration);
  }
  return file->Join(&SuperblockOf(base_)->openings, settle, problem);
}

Region::~Region() {
  if (owned_bytes_ != 0) munmap(base_, owned_bytes_);
}

}  // namespace shardns::store
