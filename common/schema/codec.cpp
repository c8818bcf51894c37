#include "common/schema/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/text.hpp"

namespace persistproc::schema {

std::optional<std::string> unread_word(const Unknown& unknown, std::string_view name) {
    for (const auto& [member, text] : unknown.members) {
        if (member != name) continue;
        const Json json = parse_json(text);
        if (json.is_string()) return json.get<std::string>();
    }
    return std::nullopt;
}

}  // namespace persistproc::schema

namespace persistproc::schema::detail {

PERSISTPROC_VALUE_CODECS()

namespace {

/// `got string "x"`: what a wrong value was, short enough for one line.
std::string describe_json(const Json& value) {
    if (value.is_null()) return "null";
    if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
    if (value.is_number()) return "number " + value.dump();
    if (value.is_array()) return "array";
    if (value.is_object()) return "object";
    std::string text = value.get<std::string>();
    const bool cut = text.size() > 60;
    if (cut) text.resize(60);
    return "string \"" + base::escape_line(base::to_valid_utf8(text)) + (cut ? "…\"" : "\"");
}

std::string compact(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const void* member(const FieldCodec& field, const void* owner) {
    return static_cast<const std::byte*>(owner) + field.offset;
}
void* member(const FieldCodec& field, void* owner) { return static_cast<std::byte*>(owner) + field.offset; }

/// A form is for those who send and read messages; what is stored has the form of its type.
bool is_formed(const FieldCodec& field, Use use) {
    return field.form != nullptr && (use != in_documents || field.value->needs_form);
}

Json write_member(const FieldCodec& field, const void* owner, Use use) {
    const void* value = member(field, owner);
    return is_formed(field, use) ? field.value->form_write(field.form, value) : field.value->write(value, use);
}

bool is_absent(const FieldCodec& field, const void* owner) {
    return field.facts.null_if_empty && field.value->measure(member(field, owner)) == 0.0;
}

/// Bounds are no part of it: every session pays for its schemas, and who passes one is told.
Json field_schema(const FieldCodec& field, const void* defaults, Audience audience, bool closed) {
    const FieldFacts& facts = field.facts;
    const ValueCodec& value = *field.value;
    Json out = field.form != nullptr ? value.form_schema(field.form) : value.schema(audience, closed);
    if (!closed) {
        out.erase("enum");
        return value.is_optional || facts.null_if_empty ? Json::object() : out;
    }
    if (*facts.text != '\0') out["description"] = facts.text;
    const bool has_default = !value.is_optional && (value.shape == Shape::number || value.shape == Shape::text ||
                                                    value.shape == Shape::word || value.shape == Shape::other);
    if (has_default && !facts.is_required && !facts.null_if_empty)
        out["default"] = write_member(field, defaults, use_of(audience));
    return out;
}

/// Errors: invalid, when a value is outside of the bounds of its field.
Result<void> check_range(const FieldCodec& field, const std::string& where, const void* value) {
    const auto size = field.value->measure(value);
    const FieldFacts& facts = field.facts;
    if (!size || (*size >= facts.min && *size <= facts.max)) return {};
    const Shape shape = field.value->shape;
    const char* unit = shape == Shape::text ? " bytes" : shape == Shape::list ? " items" : "";
    return Error{ErrorCode::invalid,
                 fmt::format("{}: must be {} to {}{}, got {}", where, facts.min, facts.max, unit, *size)};
}

void keep_unknown(const std::string& name, const Json& value, Unknown& into) {
    into.members.emplace_back(name, compact(value));
}

/// One object on its way into a struct.
struct ObjectReader {
    const ObjectCodec& codec;
    const std::string& prefix;
    Reading how;
    void* into;
    Unknown* unknown;  // null: what is not known is left out

    Result<void> read(const FieldCodec& field, const Json& json) {
        return read_at(prefix + field.facts.name_in(how.use), field, json);
    }

    Result<void> read_at(const std::string& where, const FieldCodec& field, const Json& json) {
        const FieldFacts& facts = field.facts;
        // An explicit null is an absent argument: several clients send one for every optional field.
        if (json.is_null() && !facts.is_required) return {};
        // A newer version's enumerator: the default stands for it here, and it is written back as it was.
        const auto knows_word = field.value->knows_word;
        if (how.is_lenient && knows_word != nullptr && unknown != nullptr && json.is_string() &&
            !knows_word(json.get_ref<const std::string&>())) {
            keep_unknown(facts.name, json, *unknown);
            return {};
        }
        // Unix seconds are a number to whoever writes JSON.
        const bool is_time = facts.kind == ValueKind::time && field.value->shape == Shape::text;
        if (is_time && json.is_number() && how.use != in_documents) return read_at(where, field, Json(compact(json)));
        void* value = member(field, into);
        auto done = is_formed(field, how.use) ? field.value->form_read(field.form, json, where, value)
                                              : field.value->read(json, where, how, value);
        if (!done && facts.is_secret && how.use != in_documents) return refuse_secret(field, json, where);
        // Of a newer version, or of damage: nobody has thought of what it would do here.
        const bool is_bounded = facts.has_range && field.value->shape == Shape::number;
        if (done && how.use == in_documents && is_bounded) {
            done = check_range(field, where, value);
            if (!done) set_default(field, where, value);
        }
        if (!done && how.use == in_documents && unknown != nullptr) {
            keep_unknown(facts.name, json, *unknown);
            return {};
        }
        if (!done || how.is_lenient) return done;
        if (facts.has_range)
            if (auto fine = check_range(field, where, value); !fine) return fine;
        const std::string why =
            facts.is_line && json.is_string() ? base::why_not_shown(json.get_ref<const std::string&>()) : "";
        if (!why.empty()) return Error{ErrorCode::invalid, fmt::format("{}: {}", where, why)};
        return {};
    }

    void set_default(const FieldCodec& field, const std::string& where, void* value) {
        const Json standard = field.value->write(member(field, codec.defaults), how.use);
        const auto done = field.value->read(standard, where, how, value);
        static_cast<void>(done);  // what was written is read
    }

    /// What was given appears nowhere; for lists and objects of texts.
    static Error refuse_secret(const FieldCodec& field, const Json& json, const std::string& where) {
        const auto refuse = [](const std::string& at, const char* expected, const Json& got) {
            return Error{ErrorCode::invalid, fmt::format("{}: expected {}, got {}", at, expected, got.type_name())};
        };
        const bool is_map = field.value->shape == Shape::map;
        if (is_map ? !json.is_object() : !json.is_array()) return refuse(where, is_map ? "object" : "array", json);
        std::size_t index = 0;
        for (const auto& item : json.items()) {
            const std::string name = item.key().substr(0, item.key().find('='));
            const std::string at = is_map ? item_path(where, name) : item_path(where, index++);
            if (!item.value().is_string()) return refuse(at, "string", item.value());
        }
        return Error{ErrorCode::invalid, where + ": not understood"};
    }

    Error unknown_argument(const std::string& name) const {
        std::string known;
        std::vector<std::string> names;
        for (const auto& each : codec.fields) {
            if (!each.facts.is_for(how.use)) continue;
            if (!known.empty()) known += ", ";
            known += each.facts.name_in(how.use);
            names.emplace_back(each.facts.name_in(how.use));
        }
        if (how.use == in_files)
            return Error{ErrorCode::invalid, prefix + base::excerpt(name) + ": " + no_such_key(name, names)};
        return Error{ErrorCode::invalid,
                     fmt::format("{}{}: unknown argument (known: {})", prefix, base::excerpt(name), known)};
    }

    Result<void> read_others(const Json& json) {
        for (const auto& item : json.items()) {
            const auto& name = item.key();
            const bool is_known = std::any_of(codec.fields.begin(), codec.fields.end(), [&](const auto& each) {
                return each.facts.is_for(how.use) && name == each.facts.name_in(how.use);
            });
            if (is_known) continue;
            if (!how.is_lenient) return unknown_argument(name);
            if (unknown != nullptr) keep_unknown(name, item.value(), *unknown);
        }
        return {};
    }
};

}  // namespace

Json object_schema(const ObjectCodec& codec, Audience audience, bool closed) {
    Json properties = Json::object();
    Json needed = Json::array();
    const Use use = closed ? use_of(audience) : in_answers;
    for (const auto& each : codec.fields) {
        if (!each.facts.is_for(use)) continue;
        if (each.facts.is_required) needed.push_back(each.facts.name);
        properties[each.facts.name] = field_schema(each, codec.defaults, audience, closed);
    }
    Json out = holder_schema("object", "properties", std::move(properties));
    if (!needed.empty()) out["required"] = std::move(needed);
    if (closed) out["additionalProperties"] = false;
    return out;
}

Json write_object(const ObjectCodec& codec, const void* value, Use use) {
    Json out(Json::value_t::object);
    for (const auto& each : codec.fields) {
        if (!each.facts.is_for(use)) continue;
        Json written = is_absent(each, value) ? Json() : write_member(each, value, use);
        // A document has no member for an empty text; an optional that is empty stands in it as null.
        const bool is_left_out = each.facts.left_out || (each.facts.null_if_empty && use == in_documents);
        if (!written.is_null() || !is_left_out) out[each.facts.name] = std::move(written);
    }
    if (!codec.unknown) return out;
    const auto& unknown = as<Unknown>(static_cast<const std::byte*>(value) + *codec.unknown);
    for (const auto& [name, text] : unknown.members) {
        // What was not understood of a known member stays until that is given another value than its default.
        const auto known = std::find_if(
            codec.fields.begin(), codec.fields.end(),
            [&name = name, use](const auto& each) { return name == each.facts.name && each.facts.is_for(use); });
        const auto stands = out.find(name);
        const bool is_replaced =
            known != codec.fields.end() && stands != out.end() && *stands != write_member(*known, codec.defaults, use);
        if (!is_replaced) out[name] = parse_json(text);
    }
    return out;
}

namespace {

/// Members of one object, which are nearly always asked for in the order in which they stand.
class MembersInOrder {
public:
    explicit MembersInOrder(const Json::object_t& members) : members_(members), next_(members.begin()) {}

    /// Null: there is none of this name.
    const Json* find(std::string_view name) {
        const auto is_named = [name](const auto& each) { return each.first == name; };
        if (next_ != members_.end() && is_named(*next_)) {
            ++in_order_;
            return &(next_++)->second;
        }
        const auto found = std::find_if(members_.begin(), members_.end(), is_named);
        if (found == members_.end()) return nullptr;
        next_ = found + 1;
        return &found->second;
    }
    /// True: each member was. False: that is not known.
    bool were_all_found() const noexcept { return in_order_ == members_.size(); }

private:
    const Json::object_t& members_;
    Json::object_t::const_iterator next_;
    std::size_t in_order_ = 0;
};

}  // namespace

Result<void> read_object(const ObjectCodec& codec, const Json& json, const std::string& path, Reading how, void* into) {
    if (!json.is_object()) return wrong_type(path, "object", json);
    // An answer is understood but for damage: where in it something stands is spelled out when that must be told.
    if (how.is_lenient && !path.empty() && read_object(codec, json, "", how, into)) return {};
    const std::string prefix = path.empty() ? "" : path + ".";
    Unknown* unknown = codec.unknown
                           ? static_cast<Unknown*>(static_cast<void*>(static_cast<std::byte*>(into) + *codec.unknown))
                           : nullptr;
    ObjectReader reader{codec, prefix, how, into, unknown};
    MembersInOrder members(json.get_ref<const Json::object_t&>());
    for (const auto& each : codec.fields) {
        if (!each.facts.is_for(how.use)) continue;
        const char* const name = each.facts.name_in(how.use);
        const Json* const found = members.find(name);
        if (found == nullptr) {
            const bool is_missing = each.facts.is_required && how.use != in_documents;
            // A name that nobody knows may be what it was meant to be.
            if (is_missing && how.use != in_files)
                if (auto done = reader.read_others(json); !done) return done;
            if (is_missing) return Error{ErrorCode::invalid, prefix + name + ": required"};
            continue;
        }
        if (auto done = reader.read(each, *found); !done) return done;
    }
    if (!members.were_all_found())
        if (auto done = reader.read_others(json); !done) return done;
    if (codec.finish == nullptr || how.is_lenient) return {};
    return codec.finish(into, json);
}

Result<void> read_field(const ObjectCodec& codec, const FieldCodec& field, const Json& json, const std::string& prefix,
                        Reading how, void* into) {
    return ObjectReader{codec, prefix, how, into, nullptr}.read(field, json);
}

Json write_field(const FieldCodec& field, const void* owner, Use use) { return write_member(field, owner, use); }

/// "ready" for readiness, "env" for environment: the key that is, or shares, most of the beginning. "" when none does.
static std::string best_beginning(std::string_view given, const std::vector<std::string>& known) {
    constexpr std::size_t least_whole = 3, least_shared = 4;
    std::string best;
    std::size_t most = 0;
    for (const auto& each : known) {
        const auto end = std::mismatch(given.begin(), given.end(), each.begin(), each.end()).second;
        const auto shared = static_cast<std::size_t>(end - each.begin());
        const bool is_near = shared >= least_shared || (shared >= least_whole && shared == each.size());
        if (!is_near || shared <= most) continue;
        most = shared;
        best = each;
    }
    return best;
}

std::string no_such_key(std::string_view given, const std::vector<std::string>& known) {
    std::string near = base::nearest_word(given, known);
    if (near.empty()) near = best_beginning(given, known);
    return near.empty() ? fmt::format("no such key; known: {}", fmt::join(known, ", "))
                        : fmt::format("no such key; nearest: {}", near);
}

Json to_arguments(const ObjectCodec& codec, const void* request) {
    Json out = Json::object();
    for (const auto& each : codec.fields) {
        if (!each.facts.is_for(by_client)) continue;
        const bool is_given = !is_absent(each, request);
        Json value = is_given ? write_member(each, request, by_client) : Json();
        const Json standard = is_absent(each, codec.defaults) ? Json() : write_member(each, codec.defaults, by_client);
        // A required member counts even when it equals the default of its type.
        if (each.facts.is_required)
            out[each.facts.name] = value.is_null() ? standard : std::move(value);
        else if (!value.is_null() && value != standard)
            out[each.facts.name] = std::move(value);
    }
    return out;
}

Json write_columns(const ObjectCodec& codec, const void* first, std::size_t size, std::size_t count) {
    Json out(Json::value_t::object);
    for (const auto& field : codec.fields) {
        if (!field.facts.is_for(in_answers)) continue;
        const Json standard = write_member(field, codec.defaults, in_answers);
        Json::array_t column;
        column.reserve(count);
        bool is_told = false;
        for (std::size_t i = 0; i < count; ++i) {
            const void* const owner = static_cast<const std::byte*>(first) + i * size;
            Json value = write_member(field, owner, in_answers);
            if (value == standard) value = nullptr;
            is_told = is_told || !value.is_null();
            column.push_back(std::move(value));
        }
        if (is_told) out[field.facts.name] = std::move(column);
    }
    return out;
}

Result<std::size_t> count_in_columns(const Json& json, const std::string& path) {
    if (!json.is_object()) return wrong_type(path, "object", json);
    std::size_t count = 0;
    for (const auto& [name, column] : json.get_ref<const Json::object_t&>()) {
        if (!column.is_array()) return wrong_type(item_path(path, name), "array", column);
        const bool is_first = &column == &json.get_ref<const Json::object_t&>().front().second;
        if (!is_first && column.size() != count)
            return Error{ErrorCode::invalid,
                         fmt::format("{}: {} values, and {} before", item_path(path, name), column.size(), count)};
        count = column.size();
    }
    return count;
}

Result<void> read_columns(const ObjectCodec& codec, const Json& json, const std::string& path, void* first,
                          std::size_t size) {
    constexpr Reading how{in_answers, true};
    const std::string prefix = path + ".";
    MembersInOrder members(json.get_ref<const Json::object_t&>());
    for (const auto& field : codec.fields) {
        if (!field.facts.is_for(how.use)) continue;
        const Json* const column = members.find(field.facts.name);
        if (column == nullptr) continue;
        const std::string where = prefix + field.facts.name;
        const auto& values = column->get_ref<const Json::array_t&>();
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i].is_null()) continue;
            ObjectReader reader{codec, prefix, how, static_cast<std::byte*>(first) + i * size, nullptr};
            if (reader.read_at(where, field, values[i])) continue;
            // Which of them it is, is spelled out when that must be told.
            return reader.read_at(item_path(where, i), field, values[i]);
        }
    }
    return {};
}

Error wrong_type(const std::string& path, std::string_view expected, const Json& got) {
    return Error{ErrorCode::invalid, fmt::format("{}: expected {}, got {}", path.empty() ? "arguments" : path, expected,
                                                 describe_json(got))};
}

Error not_understood(const Error& error) {
    return Error{ErrorCode::corrupt, "the daemon's answer is not understood: " + error.message};
}

Json write_text(const std::string& text, Use use) {
    if (use != in_documents || base::is_utf8(text)) return Json(text);
    Json out = Json::object();
    out["bytes"] = base::bytes_to_text(text);
    return out;
}

Result<std::string> read_text(const Json& json, const std::string& path, Use use) {
    if (json.is_string()) return json.get<std::string>();
    const auto bytes = use == in_documents && json.is_object() ? json.find("bytes") : json.end();
    if (bytes == json.end() || !bytes->is_string()) return wrong_type(path, "string", json);
    auto text = base::text_to_bytes(bytes->get_ref<const std::string&>());
    if (!text) return wrong_type(path, "bytes", json);
    return std::move(*text);
}

Json write_time(WallTime time, Use use) {
    return use == in_documents ? Json(base::to_ns(time)) : Json(base::format_rfc3339(time));
}

Result<WallTime> read_time(const Json& json, const std::string& path, Use use) {
    if (use == in_documents && json.is_number_integer()) return base::from_ns(json.get<std::int64_t>());
    if (!json.is_string()) return wrong_type(path, "RFC 3339 time", json);
    return base::parse_rfc3339(json.get_ref<const std::string&>());
}

Result<bool> read_boolean(const Json& json, const std::string& path) {
    if (!json.is_boolean()) return wrong_type(path, "true or false", json);
    return json.get<bool>();
}

Result<double> read_number(const Json& json, const std::string& path) {
    if (!json.is_number()) return wrong_type(path, "number", json);
    return json.get<double>();
}

Result<std::int64_t> read_integer(const Json& json, const std::string& path, std::int64_t least, std::int64_t most) {
    std::optional<std::int64_t> number;
    if (json.is_number_unsigned()) {
        if (json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            number = json.get<std::int64_t>();
    } else if (json.is_number_integer()) {
        number = json.get<std::int64_t>();
    } else if (json.is_number_float()) {
        const double value = json.get<double>();
        // Beyond that a double names no single whole number.
        if (std::floor(value) == value && std::abs(value) < 9e15) number = static_cast<std::int64_t>(value);
    }
    if (!number || *number < least || *number > most) return wrong_type(path, "integer", json);
    return *number;
}

/// Flags are written with dashes, answers with underscores: both spell the same word.
static bool is_word(std::string_view text, std::string_view name) {
    return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                      [](char given, char own) { return given == own || (given == '-' && own == '_'); });
}

Result<std::size_t> read_word(const Json& json, const std::string& path, const std::vector<std::string_view>& names) {
    std::string accepted;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (json.is_string() && is_word(json.get_ref<const std::string&>(), names[i])) return i;
        if (!accepted.empty()) accepted += ", ";
        accepted += names[i];
    }
    return wrong_type(path, "one of " + accepted, json);
}

Json words_schema(const std::vector<std::string_view>& names) {
    Json words = Json::array();
    for (const auto name : names) words.push_back(std::string(name));
    Json out = type_schema("string");
    out["enum"] = std::move(words);
    return out;
}

Json type_schema(const char* type) {
    Json out = Json::object();
    out["type"] = type;
    return out;
}

Json holder_schema(const char* type, const char* member, Json of) {
    Json out = type_schema(type);
    out[member] = std::move(of);
    return out;
}

std::string item_path(const std::string& path, std::size_t index) { return fmt::format("{}[{}]", path, index); }
std::string item_path(const std::string& path, const std::string& name) {
    return path + "." + base::excerpt(base::to_valid_utf8(name));
}

std::string document_text(const Json& json) { return compact(json); }

Result<Json> document_json(std::string_view text) {
    Json json = parse_json(text);
    if (json.is_discarded()) return Error{ErrorCode::corrupt, "a document is no JSON, or is nested too deeply"};
    if (!json.is_object()) return Error{ErrorCode::corrupt, "a document is no JSON object"};
    return {boost::system::in_place_value, std::move(json)};
}

}  // namespace persistproc::schema::detail
