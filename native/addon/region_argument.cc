// Reading the options of a region, and making it.
#include "addon/region_argument.h"

#include <chrono>
#include <cstring>

#include "base/clock.h"

namespace shardns::addon {

namespace {

bool GetRegionOptions(napi_env env, napi_value options, store::RegionKind kind, store::RegionOptions* region) {
  napi_value value;
  double bytes;
  uint32_t policy, seed_high, seed_low, configuration_high, configuration_low;
  if (napi_get_named_property(env, options, "memoryBytes", &value) != napi_ok ||
      napi_get_value_double(env, value, &bytes) != napi_ok || !GetProperty(env, options, "shards", &region->shards) ||
      !GetProperty(env, options, "policy", &policy) ||
      !GetProperty(env, options, "averageEntryBytes", &region->average_entry_bytes) ||
      !GetProperty(env, options, "seedHigh", &seed_high) || !GetProperty(env, options, "seedLow", &seed_low) ||
      !GetProperty(env, options, "configurationHigh", &configuration_high) ||
      !GetProperty(env, options, "configurationLow", &configuration_low)) {
    return false;
  }
  region->bytes = static_cast<size_t>(bytes);
  region->policy = static_cast<store::PolicyKind>(policy);
  region->kind = kind;
  region->seed = static_cast<uint64_t>(seed_high) << 32 | seed_low;
  region->configuration = static_cast<uint64_t>(configuration_high) << 32 | configuration_low;
  return true;
}

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
  Arguments<2> args(env, info);
  store::RegionOptions options;
  napi_valuetype type = napi_undefined;
  if (args.count == 2) napi_typeof(env, args.values[1], &type);
  MutableBytes octets;
  if (!GetRegionOptions(env, args.values[0], kind, &options) ||
      (type != napi_undefined && !GetBytes(env, args.values[1], &octets))) {
    ThrowArgument(env);
    return nullptr;
  }
  if (type != napi_undefined) *memory = args.values[1];
  std::unique_ptr<store::Region> region =
      type == napi_undefined ? store::Region::Create(options) : store::Region::CreateIn(octets, options);
  return region ? std::move(region) : ThrowMemory(env, "the cache's memory could not be taken");
}

std::unique_ptr<store::Region> AttachRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                            napi_value* memory) {
  Arguments<1> args(env, info);
  MutableBytes octets;
  if (args.count != 1 || !GetBytes(env, args.values[0], &octets)) {
    ThrowArgument(env);
    return nullptr;
  }
  *memory = args.values[0];
  const char* problem = nullptr;
  std::unique_ptr<store::Region> region = store::Region::Attach(octets, kind, &problem);
  return region ? std::move(region) : ThrowMemory(env, problem);
}

std::unique_ptr<store::Region> OpenRegion(napi_env env, napi_callback_info info, store::RegionKind kind, napi_value*) {
  Arguments<2> args(env, info);
  store::Region::FileOptions options = {};
  std::string path;
  uint32_t any_size, recreate;
  if (args.count != 2 || !GetRegionOptions(env, args.values[0], kind, &options.region) ||
      !GetString(env, args.values[1], &path) || !GetProperty(env, args.values[0], "anySize", &any_size) ||
      !GetProperty(env, args.values[0], "recreate", &recreate)) {
    ThrowArgument(env);
    return nullptr;
  }
  options.path = path.c_str();
  options.any_size = any_size != 0;
  options.recreate = recreate != 0;
  options.other_configuration = "it belongs to a server with other local data, views, tenants or scope";
  options.monotonic_ms = MonotonicMs();
  options.wall_ms = WallMs();
  store::FileProblem problem;
  std::unique_ptr<store::Region> region = store::Region::Open(options, &problem);
  if (region) return region;
  std::string text = problem.what;
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
