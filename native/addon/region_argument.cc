// Reading the options of a region, and making it.
#include "addon/region_argument.h"

#include <chrono>
#include <cstring>

#include "addon/call.h"
#include "base/clock.h"

namespace shardns::addon {

namespace {

bool GetRegionOptions(Properties* options, store::RegionKind kind, store::RegionOptions* region) {
  double bytes;
  uint32_t policy;
  if (!options->ReadPositive("memoryBytes", &bytes) || !options->Read("shards", &region->shards) ||
      !options->Read("policy", &policy) || !options->Read("averageEntryBytes", &region->average_entry_bytes) ||
      !options->Read("seedHigh", "seedLow", &region->seed) ||
      !options->Read("configurationHigh", "configurationLow", &region->configuration)) {
    return false;
  }
  region->bytes = static_cast<size_t>(bytes);
  region->policy = static_cast<store::PolicyKind>(policy);
  region->kind = kind;
  return true;
}

std::nullptr_t Thrown(napi_value) { return nullptr; }
std::nullptr_t ThrowMemory(napi_env env, const char* problem) {
  Throw(env, "ERR_SHARDNS_MEMORY", problem);
  return nullptr;
}

}  // namespace

uint64_t WallMs() {
  using namespace std::chrono;
  return static_cast<uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

std::unique_ptr<store::Region> CreateRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                            napi_value* memory) {
  Call<2> call(env, info, "options, memory");
  Properties properties(env, call.value(0), "options");
  store::RegionOptions options;
  MutableBytes octets;
  const bool given = !call.IsUndefined(1);
  if (!GetRegionOptions(&properties, kind, &options)) return Thrown(properties.Refuse());
  if (given && !call.Read(1, &octets)) return Thrown(call.Refuse());
  if (given) *memory = call.value(1);
  std::unique_ptr<store::Region> region =
      given ? store::Region::CreateIn(octets, options) : store::Region::Create(options);
  return region ? std::move(region) : ThrowMemory(env, "the cache's memory could not be taken");
}

std::unique_ptr<store::Region> AttachRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                            napi_value* memory) {
  Call<1> call(env, info, "memory");
  MutableBytes octets;
  if (!call.Read(0, &octets)) return Thrown(call.Refuse());
  *memory = call.value(0);
  const char* problem = nullptr;
  std::unique_ptr<store::Region> region = store::Region::Attach(octets, kind, &problem);
  return region ? std::move(region) : ThrowMemory(env, problem);
}

std::unique_ptr<store::Region> OpenRegion(napi_env env, napi_callback_info info, store::RegionKind kind, napi_value*) {
  Call<2> call(env, info, "options, path");
  Properties properties(env, call.value(0), "options");
  store::Region::FileOptions options = {};
  std::string path;
  if (!GetRegionOptions(&properties, kind, &options.region) || !properties.Read("anySize", &options.any_size) ||
      !properties.Read("anyPolicy", &options.any_policy) || !properties.Read("recreate", &options.recreate)) {
    return Thrown(properties.Refuse());
  }
  if (!call.Read(1, &path)) return Thrown(call.Refuse());
  options.path = path.c_str();
  options.other_configuration = "it belongs to a server with other local data, views, tenants or scope";
  options.monotonic_ms = MonotonicMs();
  options.wall_ms = WallMs();
  store::FileProblem problem;
  std::unique_ptr<store::Region> region = store::Region::Open(options, &problem);
  if (region) return region;
  std::string text = problem.what;
  if (problem.found != nullptr) text += std::string(", ") + problem.found;
  if (problem.error != 0) text += std::string(" (") + std::strerror(problem.error) + ")";
  if (problem.mismatch) text += "; with recreate: true a new file takes its place";
  Throw(env, "ERR_SHARDNS_FILE", text.c_str());
  return nullptr;
}

int32_t StateOfFile(const store::Region& region) {
  const store::MappedFile* file = region.file();
  return file == nullptr ? 0 : file->Cut() ? 1 : file->Replaced() ? 2 : 0;
}

}  // namespace shardns::addon
