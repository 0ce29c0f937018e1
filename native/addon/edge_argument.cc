// Words and octets to rules. What is wrong with them is a mistake of this library's own.
#include "addon/edge_argument.h"

#include "addon/name_list_object.h"
#include "wire/reply_patch.h"

namespace shardns::addon {

namespace {

template <typename Word>
std::vector<Word> WordsOf(Bytes octets) {
  std::vector<Word> words(octets.size() / sizeof(Word));
  if (!words.empty()) std::memcpy(words.data(), octets.data(), words.size() * sizeof(Word));
  return words;
}

// Of each class: action, slip, whether it is a dry run, the class of those who are proven, and how many limits follow;
// of each limit: kind, prefix of IPv4, of IPv6, thousandths of a query a second, burst.
bool ReadClasses(std::span<const uint32_t> words, gate::EdgeRules* rules) {
  constexpr size_t kClassWords = 5, kLimitWords = 5;
  while (!words.empty()) {
    if (words.size() < kClassWords || words[0] > static_cast<uint32_t>(gate::RateAction::kRefuse) || words[1] == 0 ||
        words[3] >= gate::RateClasses::kMaxClasses || words[4] > gate::kRateKinds * gate::RateClasses::kMaxLimits ||
        (words.size() - kClassWords) / kLimitWords < words[4] ||
        rules->classes.size() == gate::RateClasses::kMaxClasses) {
      return false;
    }
    gate::RateClass& one = rules->classes.emplace_back();
    one.action = static_cast<gate::RateAction>(words[0]);
    one.slip = words[1];
    one.dry_run = words[2] != 0;
    rules->proven.push_back(static_cast<uint8_t>(words[3]));
    size_t of_kind[gate::kRateKinds] = {};
    const size_t limits = words[4];
    words = words.subspan(kClassWords);
    for (size_t i = 0; i < limits; ++i, words = words.subspan(kLimitWords)) {
      if (words[0] >= gate::kRateKinds || words[1] > 32 || words[2] > 128) return false;
      const gate::RateLimit limit = {.kind = static_cast<gate::RateKind>(words[0]),
                                     .v4_bits = static_cast<uint8_t>(words[1]),
                                     .v6_bits = static_cast<uint8_t>(words[2]),
                                     .per_second_thousandths = words[3],
                                     .burst = words[4]};
      if (!gate::IsValid(limit) || ++of_kind[words[0]] > gate::RateClasses::kMaxLimits) return false;
      one.limits.push_back(limit);
    }
  }
  for (const uint8_t proven : rules->proven) {
    if (proven >= rules->classes.size()) return false;
  }
  return true;
}

bool ReadNames(napi_env env, Properties* options, std::vector<std::string>* names) {
  const napi_value list = options->Get("names");
  uint32_t length;
  if (napi_get_array_length(env, list, &length) != napi_ok || length > gate::kMaxLists) {
    return options->Wrong("names", "an array of names of lists");
  }
  names->resize(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value name;
    napi_get_element(env, list, i, &name);
    if (!GetString(env, name, &(*names)[i])) return options->Wrong("names", "names as strings");
  }
  return true;
}

bool ReadLists(napi_env env, Properties* options, const char* property, std::shared_ptr<const gate::Lists>* lists) {
  const napi_value value = options->Get(property);
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_undefined) return true;
  const NameListObject* object = NameListObject::From(env, value);
  if (object == nullptr || object->lists() == nullptr) return options->Wrong(property, "a name list that is built");
  *lists = object->lists();
  return true;
}

bool ReadRecords(Properties* options, gate::BlockedSays* blocked) {
  MutableBytes records, ends, aliases;
  if (!options->Read("records", &records) || !options->Read("recordEnds", &ends) ||
      !options->Read("aliasTags", &aliases)) {
    return false;
  }
  blocked->records.assign(records.begin(), records.end());
  blocked->record_ends = WordsOf<uint32_t>(ends);
  uint32_t before = 0;
  for (const uint32_t end : blocked->record_ends) {
    if (end < before || end > records.size() ||
        !wire::AreBlockedRecords(Bytes(records).subspan(before, end - before))) {
      return options->Wrong("recordEnds", "ends of whole records");
    }
    before = end;
  }
  blocked->alias_tags = WordsOf<uint32_t>(aliases);
  for (const uint32_t tag : blocked->alias_tags) {
    if (tag != 0 && (!gate::IsAliasTag(tag) || (tag & (gate::kBehindBit | gate::kMaxRuleTag)) != 0)) {
      return options->Wrong("aliasTags", "tags of aliases");
    }
  }
  return true;
}

}  // namespace

bool ReadTranslation(Bytes octets, gate::TranslationPrefix* out) {
  if (octets.empty()) return true;
  if (octets.size() != sizeof out->octets + 1) return false;
  const uint8_t bits = octets.back();
  if (bits < 32 || bits > 96 || bits % 8 != 0) return false;
  std::memcpy(out->octets, octets.data(), sizeof out->octets);
  out->bits = bits;
  return true;
}

bool ReadEdge(napi_env env, Properties* options, const HashSecret& secret, RateCounters* rates,
              std::shared_ptr<const gate::Edge>* edge) {
  napi_valuetype type = napi_undefined;
  const napi_value value = options->Get("edge");
  napi_typeof(env, value, &type);
  if (type == napi_undefined) {
    *rates = {};
    return true;
  }
  Properties given(env, value, "edge");
  gate::EdgeRules rules;
  MutableBytes secrets, classes, sets, errors, nsid, translation;
  uint32_t counters;
  const bool read = given.Read("secrets", &secrets) && given.Read("requireCookie", &rules.require_cookie) &&
                    given.Read("classes", &classes) && given.Read("counters", &counters) && given.Read("sets", &sets) &&
                    given.Read("nsid", &nsid) && given.Read("translation", &translation) &&
                    given.Read("ttlSeconds", &rules.blocked.ttl_seconds) && given.Read("errors", &errors) &&
                    ReadNames(env, &given, &rules.blocked.names) && ReadLists(env, &given, "lists", &rules.lists) &&
                    ReadLists(env, &given, "overrides", &rules.overrides) && ReadRecords(&given, &rules.blocked);
  if (!read) {
    *options = given;
    return false;
  }
  const auto wrong = [&](const char* property, const char* expected) {
    given.Wrong(property, expected);
    *options = given;
    return false;
  };
  if (nsid.size() > wire::kMaxNsid) return wrong("nsid", "at most 128 octets");
  rules.nsid.assign(nsid.begin(), nsid.end());
  if (!ReadTranslation(translation, &rules.translation)) {
    return wrong("translation", "a prefix of 16 octets, and its bits");
  }
  const std::vector<SipKey> keys = WordsOf<SipKey>(secrets);
  if (keys.size() * sizeof(SipKey) != secrets.size() || keys.size() > gate::ServerCookies::kMaxSecrets) {
    return wrong("secrets", "at most three of 16 octets");
  }
  if (!keys.empty()) rules.cookies.emplace(keys);
  if (!ReadClasses(WordsOf<uint32_t>(classes), &rules)) return wrong("classes", "words of classes and their limits");
  rules.list_sets = WordsOf<uint64_t>(sets);
  for (const uint32_t error : WordsOf<uint32_t>(errors)) {
    rules.blocked.errors.push_back(static_cast<uint16_t>(error));
  }
  if (rules.classes.empty()) {
    *rates = {};
  } else if (rates->table == nullptr || rates->counters != counters) {
    *rates = {.table = std::make_shared<gate::RateTable>(counters, secret), .counters = counters};
  }
  rules.rates = rates->table;
  *edge = std::make_shared<const gate::Edge>(std::move(rules));
  return true;
}

}  // namespace shardns::addon
