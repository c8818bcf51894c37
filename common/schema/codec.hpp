#pragma once
/// How JSON comes from structs with a field list and structs from it, and their JSON Schema. For the sources that hold
/// the structs, where each codec is instantiated once; everybody else includes field.hpp or json.hpp. The schema keeps
/// to what every client and model API takes: no `$schema`, no `$ref`, no top-level combinators.
#include <fmt/format.h>

#include <cmath>
#include <concepts>
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

/// `got string "x"`: what a wrong value was, short enough for one line.
std::string describe_json(const Json& value);
Error wrong_type(const std::string& path, std::string_view expected, const Json& got);
void write_unknown(const Unknown& unknown, Json& into);
void keep_unknown(const std::string& name, const Json& value, Unknown& into);
/// Texts of a document hold any byte: those that are no UTF-8 stand as {"bytes": "…"} (base::bytes_to_text).
Json write_bytes(const std::string& text);
Result<std::string> read_bytes(const Json& json, const std::string& path);
std::string document_text(const Json& json);
Result<Json> document_json(std::string_view text);

/// How to read: for whom, and whether a newer version may have written it.
struct Reading {
    Use use = by_agents;
    bool is_lenient = false;  // unknown members are kept or left out, and bounds are not ours to enforce
};

template <class T>
Json type_schema(Audience audience, bool closed);
template <class T>
Json write(const T& value, Use use);
template <class T>
Result<T> read(const Json& json, const std::string& path, Reading how);

}  // namespace detail

/// One value, as it stands in a request. Errors: invalid, naming `path`.
template <class T>
Result<T> read(const Json& json, const std::string& path, Audience audience = Audience::agent) {
    return detail::read<T>(json, path, {use_of(audience), false});
}

// ---- implementation ----

template <class T>
Json detail::type_schema(Audience audience, bool closed) {
    if constexpr (IsOptional<T>::value) {
        return type_schema<typename T::value_type>(audience, closed);
    } else if constexpr (std::is_same_v<T, bool>) {
        return Json{{"type", "boolean"}};
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, WallTime> || IsOpen<T>::value) {
        return Json{{"type", "string"}};
    } else if constexpr (HasEnumNames<T>) {
        Json names = Json::array();
        for (const auto& [value, name] : EnumNames<T>::names) names.push_back(name);
        return Json{{"type", "string"}, {"enum", std::move(names)}};
    } else if constexpr (std::is_integral_v<T>) {
        return Json{{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<T>) {
        return Json{{"type", "number"}};
    } else if constexpr (IsVector<T>::value) {
        return Json{{"type", "array"}, {"items", type_schema<typename T::value_type>(audience, closed)}};
    } else if constexpr (IsStringMap<T>::value) {
        return Json{{"type", "object"},
                    {"additionalProperties", type_schema<typename T::mapped_type>(audience, closed)}};
    } else {
        return object_schema<T>(audience, closed);
    }
}

template <HasFields S>
Json object_schema(Audience audience, bool closed) {
    Json properties = Json::object();
    Json needed = Json::array();
    const S defaults{};
    const Use use = closed ? use_of(audience) : in_answers;
    for_each_field<S>([&](const auto& f) {
        if (!f.is_for(use)) return;
        using T = typename std::decay_t<decltype(f)>::Value;
        Json one = f.form != nullptr ? f.form->schema() : detail::type_schema<T>(audience, closed);
        if (!closed) one.erase("enum");
        if (!closed && (detail::IsOptional<T>::value || f.null_if_empty)) one = Json::object();
        if (closed && *f.text != '\0') one["description"] = f.text;
        if (closed && f.has_range) {
            const bool text = std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>>;
            const bool list = detail::IsVector<T>::value;
            const auto bound = [](double v) {
                return std::floor(v) == v ? Json(static_cast<std::int64_t>(v)) : Json(v);
            };
            one[text ? "minLength" : list ? "minItems" : "minimum"] = bound(f.min);
            one[text ? "maxLength" : list ? "maxItems" : "maximum"] = bound(f.max);
        }
        if (closed && !f.is_required && !f.null_if_empty) {
            if constexpr (!std::is_same_v<T, bool> && !detail::IsOptional<T>::value && !detail::IsVector<T>::value &&
                          !detail::IsStringMap<T>::value && !HasFields<T>)
                one["default"] = f.form != nullptr ? f.form->write(f.of(defaults)) : detail::write(f.of(defaults), use);
        }
        if (f.is_required) needed.push_back(f.name);
        properties[f.name] = std::move(one);
    });
    Json out{{"type", "object"}, {"properties", std::move(properties)}};
    if (!needed.empty()) out["required"] = std::move(needed);
    if (closed) out["additionalProperties"] = false;
    return out;
}

template <class T>
Json detail::write(const T& value, Use use) {
    if constexpr (IsOptional<T>::value) {
        return value ? write(*value, use) : Json(nullptr);
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return use == in_documents ? Json(base::to_ns(value)) : Json(base::format_rfc3339(value));
    } else if constexpr (HasEnumNames<T> || IsOpen<T>::value) {
        return std::string(enum_name(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
        return use == in_documents ? write_bytes(value) : Json(value);
    } else if constexpr (IsVector<T>::value) {
        Json out(Json::value_t::array);
        for (const auto& each : value) out.push_back(write(each, use));
        return out;
    } else if constexpr (IsStringMap<T>::value) {
        Json out(Json::value_t::object);
        for (const auto& [name, each] : value) out[name] = write(each, use);
        return out;
    } else if constexpr (HasFields<T>) {
        Json out(Json::value_t::object);
        for_each_field<T>([&](const auto& f) {
            if (!f.is_for(use)) return;
            const auto& member = f.of(value);
            if constexpr (std::is_same_v<std::decay_t<decltype(member)>, std::string>) {
                if (f.null_if_empty && member.empty()) {
                    if (use != in_documents) out[f.name] = nullptr;
                    return;
                }
            }
            // A form is for those who send and read messages; what is stored has the form of its type.
            const bool formed = f.form != nullptr && use != in_documents;
            out[f.name] = formed ? f.form->write(member) : write(member, use);
        });
        if constexpr (KeepsUnknown<T>) {
            if (value.unknown.members.empty()) return out;
            // What was not understood of a known member stays until that is given another value than its default.
            Unknown kept = value.unknown;
            const T defaults{};
            for_each_field<T>([&](const auto& f) {
                if (!f.is_for(use)) return;
                const auto stands = out.find(f.name);
                if (stands == out.end() || *stands == write(f.of(defaults), use)) return;
                std::erase_if(kept.members, [&](const auto& each) { return each.first == f.name; });
            });
            write_unknown(kept, out);
        }
        return out;
    } else {
        return Json(value);
    }
}

template <class T>
Json to_json(const T& value) {
    return detail::write(value, in_answers);
}

template <HasFields S>
Json to_arguments(const S& request) {
    const Json defaults = detail::write(S{}, by_client);
    Json all = detail::write(request, by_client);
    Json out = Json::object();
    for (auto& [name, value] : all.items())
        if (!value.is_null() && value != defaults[name]) out[name] = std::move(value);
    // A required member counts even when it equals the default of its type.
    for_each_field<S>([&](const auto& f) {
        if (f.is_required && !out.contains(f.name))
            out[f.name] = all[f.name].is_null() ? defaults[f.name] : all[f.name];
    });
    return out;
}

namespace detail {

/// Errors: invalid, when a value is outside of the bounds of its field.
template <class V>
Result<void> check_range(const FieldFacts& f, const std::string& where, const V& value) {
    if constexpr (IsOptional<V>::value) {
        if (value) return check_range(f, where, *value);
        return {};
    } else {
        double n = f.min;
        const char* unit = "";
        if constexpr (std::is_arithmetic_v<V>) {
            n = static_cast<double>(value);
        } else if constexpr (std::is_same_v<V, std::string>) {
            n = static_cast<double>(value.size());
            unit = " bytes";
        } else if constexpr (IsVector<V>::value) {
            n = static_cast<double>(value.size());
            unit = " items";
        }
        if (!(n >= f.min && n <= f.max))
            return Error{ErrorCode::invalid,
                         fmt::format("{}: must be {} to {}{}, got {}", where, f.min, f.max, unit, n)};
        return {};
    }
}

template <class E>
std::optional<E> find_enum(std::string_view word) {
    for (const auto& [value, name] : EnumNames<E>::names)
        if (word == name) return value;
    return std::nullopt;
}

template <class T>
Result<T> read_object(const Json& json, const std::string& path, Reading how) {
    if (!json.is_object()) return wrong_type(path, "object", json);
    T out{};
    // Outside the lambdas below: Clang 14 looks into branches there that are not taken.
    Unknown* unknown = nullptr;
    if constexpr (KeepsUnknown<T>) unknown = &out.unknown;
    std::optional<Error> failed;
    const std::string prefix = path.empty() ? "" : path + ".";
    for_each_field<T>([&](const auto& f) {
        if (failed || !f.is_for(how.use)) return;
        const auto found = json.find(f.name);
        if (found == json.end()) {
            if (f.is_required && how.use != in_documents)
                failed = Error{ErrorCode::invalid, prefix + f.name + ": required"};
            return;
        }
        const std::string where = prefix + f.name;
        using M = typename std::decay_t<decltype(f)>::Value;
        // An explicit null is an absent argument: several clients send one for every optional field.
        if (found->is_null() && !f.is_required) return;
        if constexpr (HasEnumNames<M>) {
            // A newer version's enumerator: the default stands for it here, and it is written back as it was.
            const bool is_new =
                how.is_lenient && found->is_string() && !find_enum<M>(found->template get_ref<const std::string&>());
            if (is_new && unknown != nullptr) return keep_unknown(f.name, *found, *unknown);
        }
        const bool formed = f.form != nullptr && how.use != in_documents;
        auto one = formed ? f.form->read(*found, where) : read<M>(*found, where, how);
        if (!one) {
            if (how.use == in_documents && unknown != nullptr) return keep_unknown(f.name, *found, *unknown);
            failed = one.error();
            return;
        }
        if (f.has_range && !how.is_lenient) {
            if (auto checked = check_range(f, where, *one); !checked) {
                failed = checked.error();
                return;
            }
        }
        f.of(out) = std::move(*one);
    });
    if (failed) return *failed;
    for (const auto& item : json.items()) {
        const auto& name = item.key();  // Clang 14 lets no lambda capture a structured binding
        bool is_known = false;
        for_each_field<T>([&](const auto& f) {
            if (name == f.name && f.is_for(how.use)) is_known = true;
        });
        if (is_known) continue;
        if (how.is_lenient) {
            if (unknown != nullptr) keep_unknown(name, item.value(), *unknown);
            continue;
        }
        std::string known;
        for_each_field<T>([&](const auto& f) {
            if (!f.is_for(how.use)) return;
            if (!known.empty()) known += ", ";
            known += f.name;
        });
        return Error{ErrorCode::invalid, fmt::format("{}{}: unknown argument (known: {})", prefix, name, known)};
    }
    if constexpr (FinishesReading<T>) {
        if (!how.is_lenient)
            if (auto finished = out.finish_reading(json); !finished) return finished.error();
    }
    return out;
}

}  // namespace detail

template <class T>
Result<T> detail::read(const Json& json, const std::string& path, Reading how) {
    if constexpr (IsOptional<T>::value) {
        if (json.is_null()) return T{};
        auto inner = read<typename T::value_type>(json, path, how);
        if (!inner) return inner.error();
        return T{std::move(*inner)};
    } else if constexpr (std::is_same_v<T, bool>) {
        if (!json.is_boolean()) return wrong_type(path, "true or false", json);
        return json.get<bool>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (how.use == in_documents) return read_bytes(json, path);
        if (!json.is_string()) return wrong_type(path, "string", json);
        return json.get<std::string>();
    } else if constexpr (std::is_same_v<T, WallTime>) {
        if (how.use == in_documents && json.is_number_integer()) return base::from_ns(json.get<std::int64_t>());
        if (!json.is_string()) return wrong_type(path, "RFC 3339 time", json);
        return base::parse_rfc3339(json.get_ref<const std::string&>());
    } else if constexpr (IsOpen<T>::value) {
        if (!json.is_string()) return wrong_type(path, "string", json);
        return T::from_word(json.get_ref<const std::string&>());
    } else if constexpr (HasEnumNames<T>) {
        std::string accepted;
        for (const auto& [value, name] : EnumNames<T>::names) {
            if (json.is_string() && json.get_ref<const std::string&>() == name) return value;
            if (!accepted.empty()) accepted += ", ";
            accepted += name;
        }
        return wrong_type(path, "one of " + accepted, json);
    } else if constexpr (std::is_integral_v<T>) {
        if (json.is_number_unsigned()) {
            if (json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
                return json.get<T>();
        } else if (json.is_number_integer()) {
            const auto n = json.get<std::int64_t>();
            if constexpr (std::is_signed_v<T>) {
                if (n >= std::numeric_limits<T>::min()) return static_cast<T>(n);
            }
        } else if (json.is_number_float()) {
            const double n = json.get<double>();
            if (std::floor(n) == n && std::abs(n) < 9e15 && n >= static_cast<double>(std::numeric_limits<T>::min()) &&
                n <= static_cast<double>(std::numeric_limits<T>::max()))
                return static_cast<T>(n);
        }
        return wrong_type(path, "integer", json);
    } else if constexpr (std::is_floating_point_v<T>) {
        if (!json.is_number()) return wrong_type(path, "number", json);
        return json.get<T>();
    } else if constexpr (IsVector<T>::value) {
        if (!json.is_array()) return wrong_type(path, "array", json);
        T out;
        for (std::size_t i = 0; i < json.size(); ++i) {
            auto one = read<typename T::value_type>(json[i], fmt::format("{}[{}]", path, i), how);
            if (!one) return one.error();
            out.push_back(std::move(*one));
        }
        return out;
    } else if constexpr (IsStringMap<T>::value) {
        if (!json.is_object()) return wrong_type(path, "object", json);
        T out;
        for (const auto& [name, each] : json.items()) {
            auto one = read<typename T::mapped_type>(each, path + "." + name, how);
            if (!one) return one.error();
            out.emplace(name, std::move(*one));
        }
        return out;
    } else {
        return read_object<T>(json, path, how);
    }
}

template <HasFields S>
Result<S> parse(const Json& json, Audience audience) {
    return detail::read<S>(json, "", {use_of(audience), false});
}

template <class T>
Result<T> read_answer(const Json& json) {
    auto value = detail::read<T>(json, "answer", {in_answers, true});
    if (!value)
        return Error{ErrorCode::corrupt,
                     fmt::format("the daemon's answer is not understood: {}", value.error().message)};
    return value;
}

template <HasFields S>
std::string to_document(const S& value) {
    return detail::document_text(detail::write(value, in_documents));
}

template <HasFields S>
Result<S> read_document(std::string_view text) {
    auto json = detail::document_json(text);
    if (!json) return json.error();
    auto value = detail::read<S>(*json, "", {in_documents, true});
    if (!value) return Error{ErrorCode::corrupt, value.error().message};
    return value;
}

}  // namespace persistproc::schema
