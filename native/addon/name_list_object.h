// Lists of names and addresses as a JavaScript object: compiled a piece at a time off the JavaScript thread, then
// asked. What was compiled is shared with whoever judges by it, and outlives the object.
#pragma once
#include <memory>

#include "addon/object.h"
#include "gate/list_compiler.h"

namespace shardns::addon {

class NameListObject {
 public:
  static napi_value Create(napi_env env, napi_callback_info info);
  // Null for what is no name list.
  static NameListObject* From(napi_env env, napi_value object);
  // Null until they are built.
  const std::shared_ptr<const gate::Lists>& lists() const { return lists_; }

 private:
  friend struct NameListMethods;
  friend struct ListWork;
  friend struct FreeWork;
  friend struct ObjectLife;
  NameListObject(uint64_t seed, const gate::ListCompiler::Bounds& bounds)
      : compiler_(std::make_unique<gate::ListCompiler>(seed, bounds)) {}

  void Forget(napi_env) {}

  std::unique_ptr<gate::ListCompiler> compiler_;  // null once they are built
  std::shared_ptr<const gate::Lists> lists_;
  bool working_ = false;  // on another thread
  int holders_ = 0;
};

}  // namespace shardns::addon
