#pragma once
/// How JSON comes from structs with a field list and structs from it, and their JSON Schema. For the sources that hold
/// the structs, where each codec is instantiated once; everybody else includes field.hpp or json.hpp. The schema keeps
/// to what every client and model API takes: no `$schema`, no `$ref`, no top-level combinators.
///
/// A template knows one thing: how a value of one C++ type is read and written (`ValueCodec`). What walks over a list
/// of fields is no template (codec.cpp): it meets members by their offset and their type's codec. Code for each field
/// of each struct took half a minute of compile time per struct.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/time.hpp"
#include "common/schema/document.hpp"
#include "common/schema/json.hpp"

namespace persistproc::schema {

namespace detail {

/// How to read: for whom, and whether a newer version may have written it.
struct Reading {
    Use use = by_agents;
    bool is_lenient = false;  // unknown members are kept or left out, and an answer's bounds are not ours
};

/// What the walk over a list of fields asks about a type.
enum class Shape { boolean, number, text, word, list, map, object, other };

/// How values of one type are read and written. `value` and `into` point to one of that type. Pure.
struct ValueCodec {
    Shape shape;  // of an optional: that of what it may hold
    bool is_optional;
    bool needs_form;  // the type says nothing of it: its fields' forms are used wherever it stands, in documents, too
    Json (*schema)(Audience, bool closed);
    Json (*write)(const void* value, Use);
    /// Errors: invalid, naming `path`; `into` is as it was.
    Result<void> (*read)(const Json& json, const std::string& path, Reading how, void* into);
    /// What bounds are about: a number (of a word the enumerator's), or the length of a text or list; nothing of an
    /// optional that is empty.
    std::optional<double> (*measure)(const void* value);
    bool (*knows_word)(std::string_view word);  // an enumeration's; else null
    // With the form that a field has been given: a `Form<T>`.
    Json (*form_schema)(const void* form);
    Json (*form_write)(const void* form, const void* value);
    Result<void> (*form_read)(const void* form, const Json& json, const std::string& path, void* into);
};

struct FieldCodec {
    FieldFacts facts;
    std::size_t offset;  // of the member within its struct
    const ValueCodec* value;
    const void* form;  // or null
};

/// A struct's list of fields. Lives for ever.
struct ObjectCodec {
    std::vector<FieldCodec> fields;
    const void* defaults;                             // a struct as it is constructed
    std::optional<std::size_t> unknown;               // offset of its `Unknown`
    Result<void> (*finish)(void*, const Json& json);  // a request's `finish_reading`; or null
};

Json object_schema(const ObjectCodec& codec, Audience audience, bool closed);
Json write_object(const ObjectCodec& codec, const void* value, Use use);
/// Errors: invalid, naming the member; `into` is then half read.
Result<void> read_object(const ObjectCodec& codec, const Json& json, const std::string& path, Reading how, void* into);
/// One member of it, which `prefix` stands before in errors.
Result<void> read_field(const ObjectCodec& codec, const FieldCodec& field, const Json& json, const std::string& prefix,
                        Reading how, void* into);
Json write_field(const FieldCodec& field, const void* owner, Use use);
/// What is said of a key that is none of `known`: the nearest, else all of them.
std::string no_such_key(std::string_view given, const std::vector<std::string>& known);
Json to_arguments(const ObjectCodec& codec, const void* request);

/// See schema::to_columns; of `count` structs that lie one behind the other, `size` bytes each.
Json write_columns(const ObjectCodec& codec, const void* first, std::size_t size, std::size_t count);
/// How many structs stand there. Errors: invalid, when there are lists of different length, or something else.
Result<std::size_t> count_in_columns(const Json& json, const std::string& path);
/// Into as many as were counted, as constructed; columns that are not known are left out. Errors: invalid, naming the
/// value; the structs are then half read.
Result<void> read_columns(const ObjectCodec& codec, const Json& json, const std::string& path, void* first,
                          std::size_t size);

Error wrong_type(const std::string& path, std::string_view expected, const Json& got);
Error not_understood(const Error& error);
/// Texts of a document hold any byte: those that are no UTF-8 stand as {"bytes": "…"} (base::bytes_to_text).
Json write_text(const std::string& text, Use use);
Result<std::string> read_text(const Json& json, const std::string& path, Use use);
Json write_time(WallTime time, Use use);
Result<WallTime> read_time(const Json& json, const std::string& path, Use use);
Result<bool> read_boolean(const Json& json, const std::string& path);
Result<double> read_number(const Json& json, const std::string& path);
/// A whole number from `least` to `most`, however it is written (3, 3.0).
Result<std::int64_t> read_integer(const Json& json, const std::string& path, std::int64_t least, std::int64_t most);
/// The place of the word among `names`. Errors: invalid, with all of them.
Result<std::size_t> read_word(const Json& json, const std::string& path, const std::vector<std::string_view>& names);
Json words_schema(const std::vector<std::string_view>& names);
Json type_schema(const char* type);
Json holder_schema(const char* type, const char* member, Json of);
std::string item_path(const std::string& path, std::size_t index);
std::string item_path(const std::string& path, const std::string& name);
std::string document_text(const Json& json);
Result<Json> document_json(std::string_view text);

template <class T>
const ValueCodec& value_codec();
template <HasFields S>
const ObjectCodec& object_codec();

}  // namespace detail

/// One value, as it stands in a request. Errors: invalid, naming `path`.
template <class T>
Result<T> read(const Json& json, const std::string& path, Audience audience = Audience::agent) {
    T out{};
    auto done = detail::value_codec<T>().read(json, path, {use_of(audience), false}, &out);
    if (!done) return done.error();
    return out;
}

/// One value, as it stands in a project's file. Errors: as above.
template <class T>
Result<T> read_from_file(const Json& json, const std::string& path) {
    T out{};
    auto done = detail::value_codec<T>().read(json, path, {in_files, false}, &out);
    if (!done) return done.error();
    return out;
}

/// Many structs as one JSON object of lists: a member for each field that differs in one of them from what a struct is
/// constructed with, and in it the values of all in their order; null stands for what is constructed, which must be
/// absent where the field may be. A third of the bytes that they are as objects.
template <HasFields S>
Json to_columns(const std::vector<S>& structs);
/// The same back. Errors: invalid, naming `path` or the value below it.
template <HasFields S>
Result<std::vector<S>> read_columns(const Json& json, const std::string& path);

// ---- implementation ----

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsStringMap : std::false_type {};
template <class T>
struct IsStringMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsOpen : std::false_type {};
template <class E>
struct IsOpen<Open<E>> : std::true_type {};

template <class T>
concept KeepsUnknown = requires(T& value) {
    { value.unknown } -> std::same_as<Unknown&>;
};

/// A request may check and complete what no field tells alone, after all were read.
template <class T>
concept FinishesReading = requires(T& value, const Json& json) {
    { value.finish_reading(json) } -> std::same_as<Result<void>>;
};

/// Whether values of a type can be read and written without a form.
template <class T>
constexpr bool is_self_explanatory() {
    if constexpr (IsOptional<T>::value || IsVector<T>::value)
        return is_self_explanatory<typename T::value_type>();
    else if constexpr (IsStringMap<T>::value)
        return is_self_explanatory<typename T::mapped_type>();
    else
        return std::is_arithmetic_v<T> || std::is_same_v<T, std::string> || std::is_same_v<T, WallTime> ||
               HasEnumNames<T> || IsOpen<T>::value || HasFields<T>;
}

template <class E>
std::vector<std::string_view> words_of() {
    std::vector<std::string_view> out;
    for (const auto& [value, name] : EnumNames<E>::names) out.push_back(name);
    return out;
}

template <class T>
constexpr Shape shape_of() {
    if constexpr (IsOptional<T>::value)
        return shape_of<typename T::value_type>();
    else if constexpr (std::is_same_v<T, bool>)
        return Shape::boolean;
    else if constexpr (std::is_arithmetic_v<T>)
        return Shape::number;
    else if constexpr (std::is_same_v<T, std::string>)
        return Shape::text;
    else if constexpr (HasEnumNames<T>)
        return Shape::word;
    else if constexpr (IsVector<T>::value)
        return Shape::list;
    else if constexpr (IsStringMap<T>::value)
        return Shape::map;
    else if constexpr (HasFields<T>)
        return Shape::object;
    else
        return Shape::other;
}

template <class T>
Json schema_of(Audience audience, bool closed) {
    if constexpr (IsOptional<T>::value)
        return schema_of<typename T::value_type>(audience, closed);
    else if constexpr (std::is_same_v<T, bool>)
        return type_schema("boolean");
    else if constexpr (HasEnumNames<T>)
        return words_schema(words_of<T>());
    else if constexpr (std::is_integral_v<T>)
        return type_schema("integer");
    else if constexpr (std::is_floating_point_v<T>)
        return type_schema("number");
    else if constexpr (IsVector<T>::value)
        return holder_schema("array", "items", value_codec<typename T::value_type>().schema(audience, closed));
    else if constexpr (IsStringMap<T>::value)
        return holder_schema("object", "additionalProperties",
                             value_codec<typename T::mapped_type>().schema(audience, closed));
    else if constexpr (HasFields<T>)
        return object_schema(object_codec<T>(), audience, closed);
    else
        return type_schema("string");  // texts, times, words of an enumeration that may grow
}

template <class T>
Json write_value(const T& value, Use use) {
    if constexpr (IsOptional<T>::value) {
        return value ? write_value(*value, use) : Json();
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return write_time(value, use);
    } else if constexpr (HasEnumNames<T> || IsOpen<T>::value) {
        return write_text(std::string(enum_name(value)), by_agents);
    } else if constexpr (std::is_same_v<T, std::string>) {
        return write_text(value, use);
    } else if constexpr (IsVector<T>::value) {
        const ValueCodec& codec = value_codec<typename T::value_type>();
        Json out(Json::value_t::array);
        for (const auto& each : value) out.push_back(codec.write(&each, use));
        return out;
    } else if constexpr (IsStringMap<T>::value) {
        const ValueCodec& codec = value_codec<typename T::mapped_type>();
        Json out(Json::value_t::object);
        for (const auto& [name, each] : value) out[name] = codec.write(&each, use);
        return out;
    } else if constexpr (HasFields<T>) {
        return write_object(object_codec<T>(), &value, use);
    } else {
        return Json(value);
    }
}

template <class T>
Result<T> read_value(const Json& json, const std::string& path, Reading how) {
    if constexpr (IsOptional<T>::value) {
        if (json.is_null()) return T{};
        auto inner = read_value<typename T::value_type>(json, path, how);
        if (!inner) return inner.error();
        return T{std::move(*inner)};
    } else if constexpr (std::is_same_v<T, bool>) {
        return read_boolean(json, path);
    } else if constexpr (std::is_same_v<T, std::string>) {
        return read_text(json, path, how.use);
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return read_time(json, path, how.use);
    } else if constexpr (IsOpen<T>::value) {
        auto word = read_text(json, path, by_agents);
        if (!word) return word.error();
        return T::from_word(*word);
    } else if constexpr (HasEnumNames<T>) {
        const auto place = read_word(json, path, words_of<T>());
        if (!place) return place.error();
        return EnumNames<T>::names[*place].first;
    } else if constexpr (std::is_integral_v<T>) {
        static_assert(std::is_signed_v<T> || sizeof(T) < sizeof(std::int64_t), "no field holds so large a number");
        const auto number = read_integer(json, path, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
        if (!number) return number.error();
        return static_cast<T>(*number);
    } else if constexpr (std::is_floating_point_v<T>) {
        return read_number(json, path);
    } else if constexpr (IsVector<T>::value) {
        if (!json.is_array()) return wrong_type(path, "array", json);
        T out;
        for (std::size_t i = 0; i < json.size(); ++i) {
            auto one = read_value<typename T::value_type>(json[i], item_path(path, i), how);
            if (!one) return one.error();
            out.push_back(std::move(*one));
        }
        return out;
    } else if constexpr (IsStringMap<T>::value) {
        if (!json.is_object()) return wrong_type(path, "object", json);
        T out;
        for (const auto& item : json.items()) {
            auto one = read_value<typename T::mapped_type>(item.value(), item_path(path, item.key()), how);
            if (!one) return one.error();
            out.emplace(item.key(), std::move(*one));
        }
        return out;
    } else {
        T out{};
        auto done = read_object(object_codec<T>(), json, path, how, &out);
        if (!done) return done.error();
        return out;
    }
}

template <class T>
std::optional<double> measure_of(const T& value) {
    if constexpr (IsOptional<T>::value)
        return value ? measure_of(*value) : std::nullopt;
    else if constexpr (std::is_arithmetic_v<T> || HasEnumNames<T>)
        return static_cast<double>(value);
    else if constexpr (std::is_same_v<T, std::string> || IsVector<T>::value)
        return static_cast<double>(value.size());
    else
        return std::nullopt;
}

template <class T>
const T& as(const void* value) {
    return *static_cast<const T*>(value);
}

template <class T>
bool knows_word(std::string_view word) {
    for (const auto& [value, name] : EnumNames<T>::names)
        if (name == word) return true;
    return false;
}

template <class T>
Result<void> assign(Result<T> from, void* into) {
    if (!from) return from.error();
    *static_cast<T*>(into) = std::move(*from);
    return {};
}

template <class T>
constexpr ValueCodec make_value_codec() {
    ValueCodec out{};
    out.shape = shape_of<T>();
    out.is_optional = IsOptional<T>::value;
    out.needs_form = !is_self_explanatory<T>();
    if constexpr (is_self_explanatory<T>()) {
        out.schema = &schema_of<T>;
        out.write = [](const void* value, Use use) { return write_value(as<T>(value), use); };
        out.read = [](const Json& json, const std::string& path, Reading how, void* into) {
            return assign<T>(read_value<T>(json, path, how), into);
        };
    }
    out.measure = [](const void* value) { return measure_of(as<T>(value)); };
    if constexpr (HasEnumNames<T>) out.knows_word = &knows_word<T>;
    out.form_schema = [](const void* form) { return as<Form<T>>(form).schema(); };
    out.form_write = [](const void* form, const void* value) { return as<Form<T>>(form).write(as<T>(value)); };
    out.form_read = [](const void* form, const Json& json, const std::string& path, void* into) {
        return assign<T>(as<Form<T>>(form).read(json, path), into);
    };
    return out;
}

template <class T>
const ValueCodec& value_codec() {
    static constexpr ValueCodec codec = make_value_codec<T>();
    return codec;
}

template <class F, class S>
FieldCodec make_field_codec(const F& field, const S& defaults) {
    const auto* owner = reinterpret_cast<const std::byte*>(&defaults);
    const auto* member = reinterpret_cast<const std::byte*>(&field.of(defaults));
    return FieldCodec{field, static_cast<std::size_t>(member - owner), &value_codec<typename F::Value>(), field.form};
}

template <HasFields S>
ObjectCodec make_object_codec() {
    static const S defaults{};
    ObjectCodec out{};
    out.defaults = &defaults;
    S::fields([&out](const auto& field) { out.fields.push_back(make_field_codec(field, defaults)); });
    if constexpr (KeepsUnknown<S>)
        out.unknown = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&defaults.unknown) -
                                               reinterpret_cast<const std::byte*>(&defaults));
    if constexpr (FinishesReading<S>)
        out.finish = [](void* value, const Json& json) { return static_cast<S*>(value)->finish_reading(json); };
    return out;
}

template <HasFields S>
const ObjectCodec& object_codec() {
    static const ObjectCodec codec = make_object_codec<S>();
    return codec;
}

// Of the types that most fields have: compiled once, in codec.cpp.
#define PERSISTPROC_VALUE_CODECS(prefix)                                          \
    prefix template const ValueCodec& value_codec<bool>();                        \
    prefix template const ValueCodec& value_codec<int>();                         \
    prefix template const ValueCodec& value_codec<std::int64_t>();                \
    prefix template const ValueCodec& value_codec<double>();                      \
    prefix template const ValueCodec& value_codec<std::string>();                 \
    prefix template const ValueCodec& value_codec<WallTime>();                    \
    prefix template const ValueCodec& value_codec<std::vector<int>>();            \
    prefix template const ValueCodec& value_codec<std::vector<std::string>>();    \
    prefix template const ValueCodec& value_codec<std::optional<bool>>();         \
    prefix template const ValueCodec& value_codec<std::optional<int>>();          \
    prefix template const ValueCodec& value_codec<std::optional<std::int64_t>>(); \
    prefix template const ValueCodec& value_codec<std::optional<double>>();       \
    prefix template const ValueCodec& value_codec<std::optional<std::string>>();  \
    prefix template const ValueCodec& value_codec<std::optional<WallTime>>();     \
    prefix template const ValueCodec& value_codec<std::map<std::string, std::string>>();
PERSISTPROC_VALUE_CODECS(extern)

}  // namespace detail

template <HasFields S>
Json object_schema(Audience audience, bool closed) {
    return detail::object_schema(detail::object_codec<S>(), audience, closed);
}

template <class T>
Json to_json(const T& value) {
    return detail::value_codec<T>().write(&value, in_answers);
}

template <HasFields S>
Json to_arguments(const S& request) {
    return detail::to_arguments(detail::object_codec<S>(), &request);
}

template <HasFields S>
Json to_columns(const std::vector<S>& structs) {
    return detail::write_columns(detail::object_codec<S>(), structs.data(), sizeof(S), structs.size());
}

template <HasFields S>
Result<std::vector<S>> read_columns(const Json& json, const std::string& path) {
    const auto count = detail::count_in_columns(json, path);
    if (!count) return count.error();
    std::vector<S> out(*count);
    if (out.empty()) return out;
    auto done = detail::read_columns(detail::object_codec<S>(), json, path, out.data(), sizeof(S));
    if (!done) return done.error();
    return out;
}

template <HasFields S>
Result<S> parse(const Json& json, Audience audience) {
    return read<S>(json, "", audience);
}

template <class T>
Result<T> read_answer(const Json& json) {
    T out{};
    auto done = detail::value_codec<T>().read(json, "answer", {in_answers, true}, &out);
    if (!done) return detail::not_understood(done.error());
    return out;
}

template <HasFields S>
std::string to_document(const S& value) {
    return detail::document_text(detail::write_object(detail::object_codec<S>(), &value, in_documents));
}

template <HasFields S>
Result<S> read_document(std::string_view text) {
    auto json = detail::document_json(text);
    if (!json) return json.error();
    S out{};
    auto done = detail::read_object(detail::object_codec<S>(), *json, "", {in_documents, true}, &out);
    if (!done) return Error{ErrorCode::corrupt, done.error().message};
    return out;
}

}  // namespace persistproc::schema
