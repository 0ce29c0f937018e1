// A folder in memory that goes with its scope.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace shardns::test {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/dev/shm/shardns-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/cache"; }
};

}  // namespace shardns::test
