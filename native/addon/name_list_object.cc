// Methods of the name list object. Compiling is work for libuv's threads, one piece after another.
#include "addon/name_list_object.h"

#include <pthread.h>

#include "addon/call.h"
#include "addon/contract.h"
#include "addon/edge_argument.h"
#include "gate/answer_rules.h"

namespace shardns::addon {

namespace {

constexpr napi_type_tag kNameListTag = {0x5ead5ca1ab1e0006, 0xcac4e0b1ec700006};

napi_value Double(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}
napi_value Text(napi_env env, const std::string& text) {
  napi_value value;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}
napi_value ThrowBusy(napi_env env) {
  return Throw(env, "ERR_SHARDNS_INTERNAL", "the list is being compiled, is built already, or was closed");
}

bool ReadSource(const uint32_t (&words)[list_source::kWords], std::string origin, gate::ListSource* out) {
  constexpr auto kMaxAction = static_cast<uint32_t>(gate::ListAction::kData);
  constexpr auto kMaxKind = static_cast<uint32_t>(gate::NameKind::kBelow);
  using namespace list_source;
  if (words[kFormat] > static_cast<uint32_t>(gate::ListFormat::kZone) || words[kList] >= gate::kMaxLists ||
      words[kBlock] >= kMaxAction || words[kPlain] > kMaxKind || words[kWildcard] > kMaxKind ||
      words[kInstead] > kMaxAction) {
    return false;
  }
  for (const Word tier : {kTierImportantAllow, kTierImportantBlock, kTierAllow, kTierBlock}) {
    if (words[tier] > UINT8_MAX) return false;
  }
  *out = {.format = static_cast<gate::ListFormat>(words[kFormat]),
          .list = static_cast<uint8_t>(words[kList]),
          .tiers = {.important_allow = static_cast<uint8_t>(words[kTierImportantAllow]),
                    .important_block = static_cast<uint8_t>(words[kTierImportantBlock]),
                    .allow = static_cast<uint8_t>(words[kTierAllow]),
                    .block = static_cast<uint8_t>(words[kTierBlock])},
          .block = static_cast<gate::ListAction>(words[kBlock]),
          .allows = words[kAllows] != 0,
          .plain = static_cast<gate::NameKind>(words[kPlain]),
          .wildcard = static_cast<gate::NameKind>(words[kWildcard]),
          .instead = {},
          .origin = std::move(origin)};
  if (words[kInstead] != kMaxAction) out->instead = static_cast<gate::ListAction>(words[kInstead]);
  return true;
}

// Whoever lets go of lists last may be the JavaScript thread: when it replaces rules that a receiver was judging by
// when the ones after them came, the object of these is closed long since. To give a million names back takes tens of
// milliseconds, which are a thread's of their own.
struct FreedElsewhere {
  void operator()(const gate::Lists* lists) const {
    const auto run = [](void* those) -> void* {
      delete static_cast<const gate::Lists*>(those);
      return nullptr;
    };
    pthread_t thread;
    if (pthread_create(&thread, nullptr, run, const_cast<gate::Lists*>(lists)) == 0) {
      pthread_detach(thread);
    } else {
      delete lists;
    }
  }
};

}  // namespace

// One step off the JavaScript thread.
struct ListWork {
  enum class Step : uint8_t { kFeed, kEnd, kBuild };

  NameListObject* object;  // held
  Step step;
  std::string piece;
  std::vector<gate::ListCompiler::ForeignLine> foreign = {};
  gate::ListReport report = {};
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;

  static napi_value Begin(napi_env env, NameListObject* object, Step step, std::string piece = "") {
    auto* work = new ListWork{.object = object, .step = step, .piece = std::move(piece)};
    napi_value promise, name;
    napi_create_promise(env, &work->deferred, &promise);
    napi_create_string_utf8(env, "shardns:list", NAPI_AUTO_LENGTH, &name);
    object->working_ = true;
    ObjectLife::Hold(object);
    napi_create_async_work(env, nullptr, name, Execute, Complete, work, &work->work);
    napi_queue_async_work(env, work->work);
    return promise;
  }

 private:
  static void Execute(napi_env, void* data) {
    auto* self = static_cast<ListWork*>(data);
    std::unique_ptr<gate::ListCompiler>& compiler = self->object->compiler_;
    switch (self->step) {
      case Step::kFeed:
        if (self->piece.empty()) {
          compiler->EndText();
        } else {
          compiler->Feed({reinterpret_cast<const uint8_t*>(self->piece.data()), self->piece.size()});
        }
        self->foreign = compiler->Foreign();
        return;
      case Step::kEnd:
        self->report = compiler->End();
        return;
      case Step::kBuild:
        if (compiler->full() != gate::ListCompiler::Full::kNo) return;
        self->object->lists_ = {std::move(*compiler).Build().release(), FreedElsewhere{}};
        compiler.reset();
        return;
    }
  }
  static void Complete(napi_env env, napi_status status, void* data) {
    const std::unique_ptr<ListWork> self(static_cast<ListWork*>(data));
    napi_delete_async_work(env, self->work);
    self->object->working_ = false;
    if (status == napi_ok) {
      napi_resolve_deferred(env, self->deferred, self->Result(env));
    } else {
      napi_value message, error;
      napi_create_string_utf8(env, "it was called off", NAPI_AUTO_LENGTH, &message);
      napi_create_error(env, nullptr, message, &error);
      napi_reject_deferred(env, self->deferred, error);
    }
    ObjectLife::Release<NameListObject>(env, self->object, nullptr);
  }

  // {full, foreign: [line, text, ...], lines, rules, broken, unsupported, problems: [line, broken, text, ...]}
  napi_value Result(napi_env env) const {
    napi_value result, foreign_list, problems;
    napi_create_object(env, &result);
    const auto set = [&](const char* name, napi_value value) { napi_set_named_property(env, result, name, value); };
    const auto full = object->compiler_ == nullptr ? gate::ListCompiler::Full::kNo : object->compiler_->full();
    set("full", Int(env, static_cast<int32_t>(full)));
    napi_create_array(env, &foreign_list);
    uint32_t at = 0;
    for (const auto& [line, text] : foreign) {
      napi_set_element(env, foreign_list, at++, Double(env, line));
      napi_set_element(env, foreign_list, at++, Text(env, text));
    }
    set("foreign", foreign_list);
    set("lines", Double(env, static_cast<double>(report.lines)));
    set("rules", Double(env, static_cast<double>(report.rules)));
    set("broken", Double(env, static_cast<double>(report.broken)));
    set("unsupported", Double(env, static_cast<double>(report.unsupported)));
    napi_create_array(env, &problems);
    at = 0;
    for (const gate::ListReport::Problem& problem : report.problems) {
      napi_set_element(env, problems, at++, Double(env, problem.line));
      napi_set_element(env, problems, at++, Bool(env, problem.broken));
      napi_set_element(env, problems, at++, Text(env, problem.text));
    }
    set("problems", problems);
    return result;
  }
};

// What an object has let go of, on its way out.
struct FreeWork {
  std::unique_ptr<gate::ListCompiler> compiler;
  std::shared_ptr<const gate::Lists> lists;
  napi_async_work work = nullptr;

  static void Begin(napi_env env, NameListObject* object) {
    auto* self = new FreeWork{.compiler = std::move(object->compiler_), .lists = std::move(object->lists_)};
    napi_value name;
    napi_create_string_utf8(env, "shardns:list", NAPI_AUTO_LENGTH, &name);
    napi_create_async_work(env, nullptr, name, Execute, Complete, self, &self->work);
    napi_queue_async_work(env, self->work);
  }
  static void Execute(napi_env, void* data) {
    auto* self = static_cast<FreeWork*>(data);
    self->compiler.reset();
    self->lists.reset();
  }
  static void Complete(napi_env env, napi_status, void* data) {
    const std::unique_ptr<FreeWork> self(static_cast<FreeWork*>(data));
    napi_delete_async_work(env, self->work);
  }
};

struct NameListMethods {
  static bool CanCompile(const NameListObject* self) { return self->compiler_ != nullptr && !self->working_; }

  // begin(source, origin): a source of list_source words
  static napi_value Begin(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "source, origin");
    auto* self = call.self<NameListObject>();
    uint32_t words[list_source::kWords];
    std::string origin;
    gate::ListSource source;
    if (!call.ReadWords(0, words) || !call.Read(1, &origin)) return call.Refuse();
    if (!ReadSource(words, std::move(origin), &source)) return call.Refuse(0, "words of a source");
    if (!CanCompile(self)) return ThrowBusy(env);
    self->compiler_->Begin(source);
    return nullptr;
  }

  // feed(piece) -> a promise of what came of it; the piece is copied; one without octets ends the text
  static napi_value Feed(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "piece");
    auto* self = call.self<NameListObject>();
    MutableBytes piece;
    if (!call.Read(0, &piece)) return call.Refuse();
    if (!CanCompile(self)) return ThrowBusy(env);
    return ListWork::Begin(env, self, ListWork::Step::kFeed,
                           std::string(reinterpret_cast<const char*>(piece.data()), piece.size()));
  }

  // feedLine(line, text): one that came back as foreign
  static napi_value FeedLine(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "line, text");
    auto* self = call.self<NameListObject>();
    uint32_t line;
    std::string text;
    if (!call.Read(0, &line) || !call.Read(1, &text)) return call.Refuse();
    if (line > gate::kMaxListLine) return call.Refuse(0, "a line's number");
    if (!CanCompile(self)) return ThrowBusy(env);
    self->compiler_->FeedLine(line, text);
    return nullptr;
  }

  static napi_value End(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    return CanCompile(self) ? ListWork::Begin(env, self, ListWork::Step::kEnd) : ThrowBusy(env);
  }
  static napi_value Build(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    return CanCompile(self) ? ListWork::Begin(env, self, ListWork::Step::kBuild) : ThrowBusy(env);
  }

  static void WriteMatch(const gate::NameMatch& found, MutableBytes match) {
    uint32_t words[list_match::kWords];
    words[list_match::kList] = found.policy.list;
    words[list_match::kTier] = found.policy.tier;
    words[list_match::kAction] = static_cast<uint32_t>(found.policy.action);
    words[list_match::kData] = found.policy.data;
    words[list_match::kLine] = found.line;
    words[list_match::kLabels] = found.labels;
    std::memcpy(match.data(), words, sizeof words);
  }

  // find(name, client, listsLow, listsHigh, match) -> whether a rule was found, of which match has the list_match words
  static napi_value Find(napi_env env, napi_callback_info info) {
    Call<5> call(env, info, "name, client, listsLow, listsHigh, match");
    auto* self = call.self<NameListObject>();
    MutableBytes name, client, match;
    uint32_t low, high;
    if (!call.Read(0, &name) || !call.Read(1, &client) || !call.Read(2, &low) || !call.Read(3, &high) ||
        !call.Read(4, &match, list_match::kWords * sizeof(uint32_t))) {
      return call.Refuse();
    }
    if (name.empty() || wire::PlainNameLength(name, 0) != name.size()) return call.Refuse(0, "a name in wire form");
    if (client.size() != 4 && client.size() != 16) return call.Refuse(1, "an address of 4 or 16 octets");
    if (self->lists_ == nullptr) return ThrowBusy(env);
    const auto found = self->lists_->Find(name, client, uint64_t{high} << 32 | low);
    if (!found) return Bool(env, false);
    WriteMatch(*found, match);
    return Bool(env, true);
  }

  // data(from, most) -> [records...] that a match's data is the place of
  static napi_value Data(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "from, most");
    auto* self = call.self<NameListObject>();
    uint32_t from, most;
    if (!call.Read(0, &from) || !call.Read(1, &most)) return call.Refuse();
    napi_value list;
    napi_create_array(env, &list);
    if (self->lists_ == nullptr) return list;
    const std::vector<std::string>& data = self->lists_->data();
    for (uint32_t i = 0; i < most && from < data.size() && i < data.size() - from; ++i) {
      napi_set_element(env, list, i, Text(env, data[from + i]));
    }
    return list;
  }

  // servers(zone, names, addresses) -> whether there was room: who serves a zone; names one behind the other, addresses
  // with their length in front of each
  static napi_value Servers(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "zone, names, addresses");
    auto* self = call.self<NameListObject>();
    MutableBytes zone, names, addresses;
    if (!call.Read(0, &zone) || !call.Read(1, &names) || !call.Read(2, &addresses)) return call.Refuse();
    if (zone.empty() || wire::PlainNameLength(zone, 0) != zone.size()) return call.Refuse(0, "a name in wire form");
    std::vector<Bytes> name_list, address_list;
    for (size_t at = 0; at < names.size();) {
      const size_t size = wire::PlainNameLength(names, at);
      if (size == 0) return call.Refuse(1, "names in wire form");
      name_list.push_back(Bytes(names).subspan(at, size));
      at += size;
    }
    for (size_t at = 0; at < addresses.size();) {
      const size_t size = addresses[at++];
      if ((size != 4 && size != 16) || size > addresses.size() - at) return call.Refuse(2, "addresses behind lengths");
      address_list.push_back(Bytes(addresses).subspan(at, size));
      at += size;
    }
    if (self->lists_ == nullptr || !self->lists_->HasServerRules()) return Bool(env, true);
    return Bool(env, self->lists_->NoteServers(zone, name_list, address_list));
  }
  static napi_value HasServerRules(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    return Bool(env, self->lists_ != nullptr && self->lists_->HasServerRules());
  }

  // judge(message, listsLow, listsHigh, translation, match) -> records of the answer that stay, -1: nothing is said of
  // it. A whole response; what its question's own rule is does not count.
  static napi_value Judge(napi_env env, napi_callback_info info) {
    Call<5> call(env, info, "message, listsLow, listsHigh, translation, match");
    auto* self = call.self<NameListObject>();
    MutableBytes message, translation, match;
    uint32_t low, high;
    if (!call.Read(0, &message) || !call.Read(1, &low) || !call.Read(2, &high) || !call.Read(3, &translation) ||
        !call.Read(4, &match, list_match::kWords * sizeof(uint32_t))) {
      return call.Refuse();
    }
    const size_t name = message.size() < wire::kHeaderSize ? 0 : wire::OwnOctets(message, wire::kHeaderSize);
    const size_t question_end = wire::kHeaderSize + name + 4;
    if (name == 0 || question_end > message.size()) return call.Refuse(0, "a response with its question");
    if (self->lists_ == nullptr) return ThrowBusy(env);
    gate::AnswerRules rules = {.lists = self->lists_.get(), .set = uint64_t{high} << 32 | low};
    if (!ReadTranslation(translation, &rules.translation)) return call.Refuse(3, "a prefix of 16 octets, and its bits");
    const auto found = gate::AnswerSearch(rules, message, question_end).Find();
    if (!found) return Int(env, -1);
    WriteMatch(found->match, match);
    return Int(env, found->records);
  }

  // close(): gives the memory back as soon as nobody judges by it any more; what nobody does takes tens of milliseconds
  // for a million names, which are another thread's
  static napi_value Close(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    if (self->working_) return ThrowBusy(env);
    if (self->compiler_ != nullptr || self->lists_ != nullptr) FreeWork::Begin(env, self);
    return nullptr;
  }

  static napi_value Names(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    return Double(env, self->lists_ == nullptr ? 0 : static_cast<double>(self->lists_->names()));
  }
  static napi_value MemoryBytes(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "nothing");
    auto* self = call.self<NameListObject>();
    return Double(env, self->lists_ == nullptr ? 0 : static_cast<double>(self->lists_->memory_bytes()));
  }
};

constexpr Method kNameListMethods[] = {
    {"begin", NameListMethods::Begin},       {"feed", NameListMethods::Feed},
    {"feedLine", NameListMethods::FeedLine}, {"end", NameListMethods::End},
    {"build", NameListMethods::Build},       {"find", NameListMethods::Find},
    {"data", NameListMethods::Data},         {"close", NameListMethods::Close},
    {"names", NameListMethods::Names},       {"memoryBytes", NameListMethods::MemoryBytes},
    {"servers", NameListMethods::Servers},   {"hasServerRules", NameListMethods::HasServerRules},
    {"judge", NameListMethods::Judge},
};

// createNameList(seedHigh, seedLow, maxOctets, maxNames)
napi_value NameListObject::Create(napi_env env, napi_callback_info info) {
  Call<4> call(env, info, "seedHigh, seedLow, maxOctets, maxNames");
  uint32_t high, low, names;
  double octets;
  if (!call.Read(0, &high) || !call.Read(1, &low) || !call.ReadPositive(2, &octets) || !call.Read(3, &names)) {
    return call.Refuse();
  }
  if (names > gate::kMaxNames) return call.Refuse(3, "as many names as there may be");
  return WrapObject(
      env,
      new NameListObject(uint64_t{high} << 32 | low, {.max_octets = static_cast<uint64_t>(octets), .max_names = names}),
      kNameListTag, {kNameListMethods});
}

NameListObject* NameListObject::From(napi_env env, napi_value object) {
  return Unwrap<NameListObject>(env, object, kNameListTag);
}

}  // namespace shardns::addon
