#pragma once
/// One list of fields per struct. From it come the JSON reader, the JSON writer and the JSON Schema
/// (`codec.hpp`), so the three cannot drift apart.
///
///   struct StopRequest {
///       std::string process;
///       std::optional<double> grace_seconds;
///       static constexpr auto fields() {
///           return std::tuple{schema::required("process", &StopRequest::process, "id, label, PID or command"),
///                             schema::field("grace_seconds", &StopRequest::grace_seconds, "…").range(0, 3600)};
///       }
///   };
#include <tuple>
#include <utility>

namespace persistproc::schema {

/// Who sends a request: an agent over MCP, or this project's own client over the unix socket. Fields marked
/// `client_only` do not exist for agents: neither in the schema nor as an argument.
enum class Audience { agent, client };

template <class S, class M>
struct Field {
    const char* name;
    M S::*member;
    const char* text;
    bool is_required = false;
    bool is_client_only = false;
    bool has_range = false;
    double min = 0;
    double max = 0;

    /// Inclusive bounds of a number, or of the length of a string or array in bytes or items.
    constexpr Field range(double low, double high) const {
        Field copy = *this;
        copy.has_range = true;
        copy.min = low;
        copy.max = high;
        return copy;
    }
    constexpr Field client_only() const {
        Field copy = *this;
        copy.is_client_only = true;
        return copy;
    }
};

template <class S, class M>
constexpr Field<S, M> field(const char* name, M S::*member, const char* text = "") {
    return {.name = name, .member = member, .text = text};
}

template <class S, class M>
constexpr Field<S, M> required(const char* name, M S::*member, const char* text = "") {
    return {.name = name, .member = member, .text = text, .is_required = true};
}

template <class S, class F>
constexpr void for_each_field(F&& f) {
    std::apply([&](const auto&... each) { (f(each), ...); }, S::fields());
}

/// Specialise for an enum: `static constexpr std::pair<E, std::string_view> names[] = {…}`.
template <class E>
struct EnumNames;

template <class E>
constexpr auto enum_name(E value) {
    for (const auto& [each, name] : EnumNames<E>::names)
        if (each == value) return name;
    return decltype(EnumNames<E>::names[0].second){};
}

}  // namespace persistproc::schema
