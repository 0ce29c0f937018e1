// A file mapped by several processes: how it is found or made. Who of them lives is openings.h, what happens when it is
// cut short bus_guard.h.
//
// Linux only in the .cc; elsewhere Open() says so.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "store/bus_guard.h"
#include "store/openings.h"

namespace shardns::store {

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
  bool Join(OpeningsHead* head, const std::function<bool()>& settle, FileProblem* problem) {
    return openings_.Join(fd_, head, settle, problem);
  }
  ~MappedFile();

  MutableBytes memory() const { return {base_, bytes_}; }
  LockHolder holder() { return openings_.holder(); }
  // Whether the file was cut under the mapping. The memory is anonymous and zero from then on, so that nobody who is
  // at it crashes.
  bool lost() const { return guard_.lost(); }
  // Whether it is shorter than the mapping, met or not.
  bool Cut() const;
  // Whether the path still leads to this file.
  bool Replaced() const;

 private:
  MappedFile(int fd, const char* path) : fd_(fd), path_(path) {}
  static std::unique_ptr<MappedFile> Make(const Options& options, FileProblem* problem);
  static std::unique_ptr<MappedFile> Find(const Options& options, FileProblem* problem);
  bool Map(size_t bytes, FileProblem* problem);

  int fd_;
  std::string path_;
  uint8_t* base_ = nullptr;
  size_t bytes_ = 0;
  BusGuard guard_;
  Openings openings_;
};

}  // namespace shardns::store
