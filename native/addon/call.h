// The arguments of one call from JavaScript. TypeScript has validated and explained: what is wrong here is an error of
// this library's own, which says which argument it is. A call that is right pays nothing for it.
#pragma once
#include <cstring>

#include "addon/values.h"

namespace shardns::addon {

// "name, type, tenant": what the N arguments are called; another number of names does not compile.
template <size_t N>
struct ArgumentNames {
  const char* text;
  consteval ArgumentNames(const char* names) : text(names) {
    size_t count = 1;
    for (const char* at = names; *at != 0; ++at) count += *at == ',';
    if (count != N) NotAsManyNamesAsArguments();
  }
  static void NotAsManyNamesAsArguments() {}
};

struct WrongArgument {
  size_t at;
  const char* expected;
  size_t least_octets = 0;
};
// "argument 2 (tenant): expected a number"
napi_value ThrowWrong(napi_env env, const char* names, const WrongArgument& wrong);

// Readers leave `out` as it is and return false for what they do not read; Refuse throws what the last of them found.
// One that was not given is undefined.
template <size_t N>
class Call {
 public:
  Call(napi_env env, napi_callback_info info, ArgumentNames<N> names) : env_(env), names_(names.text) {
    napi_get_cb_info(env, info, &count_, values_, nullptr, &data_);
  }

  napi_env env() const { return env_; }
  template <typename Object>
  Object* self() const {
    return static_cast<Object*>(data_);
  }
  napi_value value(size_t at) const { return values_[at]; }
  // How many were given.
  size_t count() const { return count_; }
  bool IsUndefined(size_t at) const {
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, values_[at], &type);
    return type == napi_undefined;
  }

  bool Read(size_t at, uint32_t* out) { return GetUint32(env_, values_[at], out) || Wrong(at, "a number"); }
  bool Read(size_t at, int32_t* out) {
    return napi_get_value_int32(env_, values_[at], out) == napi_ok || Wrong(at, "a number");
  }
  bool ReadPositive(size_t at, double* out) {
    return (napi_get_value_double(env_, values_[at], out) == napi_ok && *out >= 0) || Wrong(at, "a number from 0 on");
  }
  bool Read(size_t at, bool* out) {
    return napi_get_value_bool(env_, values_[at], out) == napi_ok || Wrong(at, "true or false");
  }
  bool Read(size_t at, std::string* out) {
    return GetString(env_, values_[at], out) || Wrong(at, "a string of at most 4096 octets");
  }
  bool Read(size_t at, MutableBytes* out, size_t least = 0) {
    return (GetBytes(env_, values_[at], out) && out->size() >= least) || WrongOctets(at, least);
  }
  bool Read(size_t at, MutableBytes* out, napi_value* buffer) {
    return GetBytes(env_, values_[at], out, buffer) || WrongOctets(at, 0);
  }
  // All words of an array that has just as many.
  template <typename Word, size_t M>
  bool ReadWords(size_t at, Word (&words)[M]) {
    MutableBytes octets;
    if (!GetBytes(env_, values_[at], &octets) || octets.size() != sizeof words) return WrongOctets(at, sizeof words);
    std::memcpy(words, octets.data(), sizeof words);
    return true;
  }
  // Octets that `to` keeps for later calls.
  bool Register(size_t at, Registered* to, size_t least = 1) {
    return to->Set(env_, values_[at], least) || WrongOctets(at, least);
  }

  // The same where they are words of that type.
  template <typename Word>
  bool RegisterWords(size_t at, Registered* to, size_t words) {
    if (!Register(at, to, words * sizeof(Word))) return false;
    return reinterpret_cast<uintptr_t>(to->Fetch(env_).data()) % sizeof(Word) == 0 || Wrong(at, "an array of words");
  }

  // For what a reader above let pass: false, as theirs.
  [[gnu::cold, gnu::noinline]] bool Wrong(size_t at, const char* expected) {
    wrong_ = {.at = at, .expected = expected};
    return false;
  }
  [[gnu::cold, gnu::noinline]] napi_value Refuse() const { return ThrowWrong(env_, names_, wrong_); }
  [[gnu::cold, gnu::noinline]] napi_value Refuse(size_t at, const char* expected) {
    Wrong(at, expected);
    return Refuse();
  }

 private:
  [[gnu::cold, gnu::noinline]] bool WrongOctets(size_t at, size_t least) {
    wrong_ = {.at = at, .expected = "a typed array", .least_octets = least};
    return false;
  }

  napi_env env_;
  const char* names_;
  napi_value values_[N];
  size_t count_ = N;
  void* data_ = nullptr;
  WrongArgument wrong_;  // set before it is read
};

// The properties of an object that is one argument: an object of options. As of arguments, readers leave `out` as it is
// and return false for what they do not read, and Refuse says which property the last of them found wrong.
class Properties {
 public:
  Properties(napi_env env, napi_value object, const char* name) : env_(env), object_(object), name_(name) {}

  // Undefined for what is not there, and of what is no object.
  napi_value Get(const char* property) const;
  bool Read(const char* property, uint32_t* out) {
    return GetUint32(env_, Get(property), out) || Wrong(property, "a number");
  }
  // JavaScript says 1 or 0.
  bool Read(const char* property, bool* out);
  bool ReadPositive(const char* property, double* out) {
    return (napi_get_value_double(env_, Get(property), out) == napi_ok && *out >= 0) ||
           Wrong(property, "a number from 0 on");
  }
  // Two halves of one word: "seed" of seedHigh and seedLow.
  bool Read(const char* high, const char* low, uint64_t* out);
  bool Read(const char* property, MutableBytes* out) {
    return GetBytes(env_, Get(property), out) || Wrong(property, "a typed array");
  }

  [[gnu::cold, gnu::noinline]] bool Wrong(const char* property, const char* expected) {
    wrong_ = property;
    expected_ = expected;
    return false;
  }
  // "options.shards: expected a number"
  [[gnu::cold, gnu::noinline]] napi_value Refuse() const;
  [[gnu::cold, gnu::noinline]] napi_value Refuse(const char* property, const char* expected) {
    Wrong(property, expected);
    return Refuse();
  }

 private:
  napi_env env_;
  napi_value object_;
  const char* name_;
  const char* wrong_ = "";
  const char* expected_ = "";
};

}  // namespace shardns::addon
