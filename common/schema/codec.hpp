#pragma once
/// JSON from and to structs with a field list, and their JSON Schema. The schema keeps to what every client
/// and model API takes: no `$schema`, no `$ref`, no top-level combinators.
#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/time.hpp"
#include "common/schema/field.hpp"

namespace persistproc::schema {

using Json = nlohmann::ordered_json;

template <class T>
concept HasFields = requires {
    T::fields();
};
template <class T>
concept HasEnumNames = requires {
    EnumNames<T>::names;
};

/// Specialise for a type with a JSON form of its own:
///   static Json schema();  static Result<T> read(const Json&, const std::string& path);  static Json write(const T&);
template <class T>
struct CustomCodec;
template <class T>
concept HasCustomCodec = requires {
    CustomCodec<T>::schema();
};

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

/// `got string "x"`: what a wrong value was, short enough for one line.
std::string describe_json(const Json& value);
Error wrong_type(const std::string& path, std::string_view expected, const Json& got);

}  // namespace detail

template <class T>
Json type_schema(Audience audience = Audience::agent, bool closed = true);
template <HasFields S>
Json object_schema(Audience audience = Audience::agent, bool closed = true);
template <class T>
Json to_json(const T& value);
template <class T>
Result<T> read(const Json& json, const std::string& path, Audience audience = Audience::agent);

/// Reads the arguments of a tool: unknown names, missing ones, wrong types and values out of range are `invalid`
/// errors that name the argument and what is accepted. Pure.
template <HasFields S>
Result<S> parse(const Json& json, Audience audience = Audience::agent);

// ---- implementation ----

template <class T>
Json type_schema(Audience audience, bool closed) {
    if constexpr (HasCustomCodec<T>) {
        return CustomCodec<T>::schema();
    } else if constexpr (detail::IsOptional<T>::value) {
        return type_schema<typename T::value_type>(audience, closed);
    } else if constexpr (std::is_same_v<T, bool>) {
        return Json{{"type", "boolean"}};
    } else if constexpr (std::is_same_v<T, std::string>) {
        return Json{{"type", "string"}};
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return Json{{"type", "string"}};
    } else if constexpr (HasEnumNames<T>) {
        Json names = Json::array();
        for (const auto& [value, name] : EnumNames<T>::names) names.push_back(name);
        return Json{{"type", "string"}, {"enum", std::move(names)}};
    } else if constexpr (std::is_integral_v<T>) {
        return Json{{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<T>) {
        return Json{{"type", "number"}};
    } else if constexpr (detail::IsVector<T>::value) {
        return Json{{"type", "array"}, {"items", type_schema<typename T::value_type>(audience, closed)}};
    } else if constexpr (detail::IsStringMap<T>::value) {
        return Json{{"type", "object"},
                    {"additionalProperties", type_schema<typename T::mapped_type>(audience, closed)}};
    } else {
        return object_schema<T>(audience, closed);
    }
}

/// `closed`: of a request; nothing else may be given. Else of an answer: members that may be null are left open, and so
/// is what an agent needs no schema to read (enumerators): schemas cost tokens in every session.
template <HasFields S>
Json object_schema(Audience audience, bool closed) {
    Json properties = Json::object();
    Json needed = Json::array();
    const S defaults{};
    for_each_field<S>([&](const auto& f) {
        if (f.is_client_only && audience == Audience::agent) return;
        using T = std::decay_t<decltype(defaults.*f.member)>;
        Json one = type_schema<T>(audience, closed);
        if (!closed) one.erase("enum");
        if (!closed && detail::IsOptional<T>::value) one = Json::object();
        if (*f.text != '\0') one["description"] = f.text;
        if (f.has_range) {
            const bool text = std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>>;
            const bool list = detail::IsVector<T>::value;
            const auto bound = [](double v) {
                return std::floor(v) == v ? Json(static_cast<std::int64_t>(v)) : Json(v);
            };
            one[text ? "minLength" : list ? "minItems" : "minimum"] = bound(f.min);
            one[text ? "maxLength" : list ? "maxItems" : "maximum"] = bound(f.max);
        }
        if (closed && !f.is_required) {
            if constexpr (!std::is_same_v<T, bool> && !detail::IsOptional<T>::value && !detail::IsVector<T>::value &&
                          !detail::IsStringMap<T>::value && !HasFields<T>)
                one["default"] = to_json(defaults.*f.member);
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
Json to_json(const T& value) {
    if constexpr (HasCustomCodec<T>) {
        return CustomCodec<T>::write(value);
    } else if constexpr (detail::IsOptional<T>::value) {
        return value ? to_json(*value) : Json(nullptr);
    } else if constexpr (std::is_same_v<T, WallTime>) {
        return base::format_rfc3339(value);
    } else if constexpr (HasEnumNames<T>) {
        return std::string(enum_name(value));
    } else if constexpr (detail::IsVector<T>::value) {
        Json out(Json::value_t::array);
        for (const auto& each : value) out.push_back(to_json(each));
        return out;
    } else if constexpr (detail::IsStringMap<T>::value) {
        Json out(Json::value_t::object);
        for (const auto& [name, each] : value) out[name] = to_json(each);
        return out;
    } else if constexpr (HasFields<T>) {
        Json out(Json::value_t::object);
        for_each_field<T>([&](const auto& f) { out[f.name] = to_json(value.*f.member); });
        return out;
    } else {
        return Json(value);
    }
}

template <class T>
Result<T> read(const Json& json, const std::string& path, Audience audience) {
    if constexpr (HasCustomCodec<T>) {
        return CustomCodec<T>::read(json, path);
    } else if constexpr (detail::IsOptional<T>::value) {
        if (json.is_null()) return T{};
        auto inner = read<typename T::value_type>(json, path, audience);
        if (!inner) return inner.error();
        return T{std::move(*inner)};
    } else if constexpr (std::is_same_v<T, bool>) {
        if (!json.is_boolean()) return detail::wrong_type(path, "true or false", json);
        return json.get<bool>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (!json.is_string()) return detail::wrong_type(path, "string", json);
        return json.get<std::string>();
    } else if constexpr (std::is_same_v<T, WallTime>) {
        if (!json.is_string()) return detail::wrong_type(path, "RFC 3339 time", json);
        return base::parse_rfc3339(json.get_ref<const std::string&>());
    } else if constexpr (HasEnumNames<T>) {
        std::string accepted;
        for (const auto& [value, name] : EnumNames<T>::names) {
            if (json.is_string() && json.get_ref<const std::string&>() == name) return value;
            if (!accepted.empty()) accepted += ", ";
            accepted += name;
        }
        return detail::wrong_type(path, "one of " + accepted, json);
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
        return detail::wrong_type(path, "integer", json);
    } else if constexpr (std::is_floating_point_v<T>) {
        if (!json.is_number()) return detail::wrong_type(path, "number", json);
        return json.get<T>();
    } else if constexpr (detail::IsVector<T>::value) {
        if (!json.is_array()) return detail::wrong_type(path, "array", json);
        T out;
        for (std::size_t i = 0; i < json.size(); ++i) {
            auto one = read<typename T::value_type>(json[i], fmt::format("{}[{}]", path, i), audience);
            if (!one) return one.error();
            out.push_back(std::move(*one));
        }
        return out;
    } else if constexpr (detail::IsStringMap<T>::value) {
        if (!json.is_object()) return detail::wrong_type(path, "object", json);
        T out;
        for (const auto& [name, each] : json.items()) {
            auto one = read<typename T::mapped_type>(each, path + "." + name, audience);
            if (!one) return one.error();
            out.emplace(name, std::move(*one));
        }
        return out;
    } else {
        // Nested objects: unknown members are refused like arguments are.
        if (!json.is_object()) return detail::wrong_type(path, "object", json);
        T out{};
        std::optional<Error> failed;
        const std::string prefix = path.empty() ? "" : path + ".";
        for_each_field<T>([&](const auto& f) {
            if (failed || (f.is_client_only && audience == Audience::agent)) return;
            const auto found = json.find(f.name);
            if (found == json.end()) {
                if (f.is_required) failed = Error{ErrorCode::invalid, prefix + f.name + ": required"};
                return;
            }
            const std::string where = prefix + f.name;
            using M = std::decay_t<decltype(out.*f.member)>;
            // An explicit null is an absent argument: several clients send one for every optional field.
            if (found->is_null() && !f.is_required) return;
            auto one = read<M>(*found, where, audience);
            if (!one) {
                failed = one.error();
                return;
            }
            if (f.has_range) {
                double n = f.min;
                const char* unit = "";
                const auto measure = [&](const auto& v) {
                    using V = std::decay_t<decltype(v)>;
                    if constexpr (std::is_arithmetic_v<V>) {
                        n = static_cast<double>(v);
                    } else if constexpr (std::is_same_v<V, std::string>) {
                        n = static_cast<double>(v.size());
                        unit = " bytes";
                    } else if constexpr (detail::IsVector<V>::value) {
                        n = static_cast<double>(v.size());
                        unit = " items";
                    }
                };
                if constexpr (detail::IsOptional<M>::value) {
                    if (*one) measure(**one);
                } else {
                    measure(*one);
                }
                if (!(n >= f.min && n <= f.max)) {
                    failed = Error{ErrorCode::invalid,
                                   fmt::format("{}: must be {} to {}{}, got {}", where, f.min, f.max, unit, n)};
                    return;
                }
            }
            out.*f.member = std::move(*one);
        });
        if (failed) return *failed;
        for (const auto& item : json.items()) {
            const auto& name = item.key();  // Clang 14 lets no lambda capture a structured binding
            bool is_known = false;
            for_each_field<T>([&](const auto& f) {
                if (name == f.name && !(f.is_client_only && audience == Audience::agent)) is_known = true;
            });
            if (is_known) continue;
            std::string known;
            for_each_field<T>([&](const auto& f) {
                if (f.is_client_only && audience == Audience::agent) return;
                if (!known.empty()) known += ", ";
                known += f.name;
            });
            return Error{ErrorCode::invalid, fmt::format("{}{}: unknown argument (known: {})", prefix, name, known)};
        }
        return out;
    }
}

template <HasFields S>
Result<S> parse(const Json& json, Audience audience) {
    return read<S>(json, "", audience);
}

}  // namespace persistproc::schema
