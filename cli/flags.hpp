#pragma once
/// Flags from lists of fields: what is declared in a struct's `fields()` with `as_flag` can be typed, and goes straight
/// into that struct.
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cli/arguments.hpp"
#include "common/base/result.hpp"
#include "common/domain/process.hpp"
#include "common/schema/field.hpp"

namespace persistproc::cli {

using domain::RestartChoice;

/// One flag, bound to where its value goes.
struct Flag {
    schema::FieldFacts facts;
    std::string name;  // without "--"
    bool takes_value = false;
    bool repeats = false;                                       // each use adds one; else there is one value
    std::vector<std::string_view> words;                        // the only values there are; empty: see `facts.kind`
    bool has_more_words = false;                                // `words` are only the plain ones
    bool has_words_of_answers = false;                          // they are shown as answers have them, with underscores
    std::function<Result<void>(const std::string& text)> take;  // errors: invalid, without the flag's name
};

/// "-C, --working-directory DIR", as help shows it.
std::string flag_text(const Flag& flag);
std::vector<FlagShape> shapes_of(const std::vector<Flag>& flags);

/// Gives the flags their values, in order. Errors: invalid, one line that begins with the flag's name; two values for a
/// flag that takes one.
Result<void> apply_flags(const std::vector<Flag>& flags, const std::vector<GivenFlag>& given);

namespace detail {

Result<std::uint64_t> read_whole_number(const schema::FieldFacts& facts, const std::string& text);
Result<double> read_seconds(const schema::FieldFacts& facts, const std::string& text);
Result<int> read_signal(const std::string& text);
Result<void> check_text(const schema::FieldFacts& facts, const std::string& text);
std::string with_underscores(std::string text);
Result<void> add_variable(const std::string& text, std::map<std::string, std::string>& into);

template <class M>
struct Typing {
    using Value = M;
    static constexpr bool repeats = false;
};
template <class M>
struct Typing<std::optional<M>> : Typing<M> {};
/// The enumeration whose words a newer version may have more of; void: it is no such word.
template <class M>
struct OpenWord {
    using Of = void;
};
template <class E>
struct OpenWord<schema::Open<E>> {
    using Of = E;
};
template <class M>
constexpr bool is_open_word = !std::is_void_v<typename OpenWord<M>::Of>;
template <>
struct Typing<std::vector<std::string>> {
    using Value = std::string;
    static constexpr bool repeats = true;
};
template <>
struct Typing<std::map<std::string, std::string>> {
    using Value = std::string;
    static constexpr bool repeats = true;
};
template <>
struct Typing<domain::Checks> {
    using Value = domain::Check;
    static constexpr bool repeats = true;
};

/// Fields of other types have no flags.
template <class M>
constexpr bool can_be_typed =
    std::is_arithmetic_v<typename Typing<M>::Value> || std::is_enum_v<typename Typing<M>::Value> ||
    std::is_same_v<typename Typing<M>::Value, std::string> || std::is_same_v<M, RestartChoice> ||
    std::is_same_v<M, domain::Checks> || std::is_same_v<M, std::optional<domain::TerminalSize>> ||
    is_open_word<typename Typing<M>::Value>;
template <>
inline constexpr bool can_be_typed<std::optional<std::vector<std::string>>> = false;

template <class M>
Result<void> take_value(const schema::FieldFacts& facts, M& into, const std::string& text) {
    using Value = typename Typing<M>::Value;
    if constexpr (std::is_same_v<M, domain::Checks>) {
        auto check = domain::parse_check(text);
        if (!check) return check.error();
        into.push_back(std::move(*check));
    } else if constexpr (std::is_same_v<M, std::optional<domain::TerminalSize>>) {
        auto size = domain::parse_terminal_size(text);
        if (!size) return size.error();
        into = *size;
    } else if constexpr (std::is_same_v<M, RestartChoice>) {
        auto choice = domain::parse_restart(text);
        if (!choice) return choice.error();
        into = *choice;
    } else if constexpr (std::is_same_v<M, std::map<std::string, std::string>>) {
        return add_variable(text, into);
    } else if constexpr (Typing<M>::repeats) {
        into.push_back(text);
    } else if constexpr (std::is_same_v<Value, bool>) {
        into = true;
    } else if constexpr (std::is_same_v<Value, std::string>) {
        if (auto fine = check_text(facts, text); !fine) return fine;
        into = text;
    } else if constexpr (is_open_word<Value>) {
        into = Value::from_word(with_underscores(text));
    } else if constexpr (std::is_enum_v<Value>) {
        for (const auto& [value, name] : schema::EnumNames<Value>::names)
            if (name == text) into = value;
    } else if constexpr (std::is_floating_point_v<Value>) {
        auto seconds = read_seconds(facts, text);
        if (!seconds) return seconds.error();
        into = *seconds;
    } else if (facts.kind == schema::ValueKind::signal) {
        auto signal = read_signal(text);
        if (!signal) return signal.error();
        into = static_cast<Value>(*signal);
    } else {
        auto number = read_whole_number(facts, text);
        if (!number) return number.error();
        into = static_cast<Value>(*number);
    }
    return {};
}

template <class M>
Flag make_flag(const schema::FieldFacts& facts, M& into) {
    using Value = typename Typing<M>::Value;
    Flag flag;
    flag.facts = facts;
    flag.name = facts.flag;
    flag.takes_value = !std::is_same_v<Value, bool>;
    flag.repeats = Typing<M>::repeats;
    if constexpr (std::is_enum_v<Value>)
        for (const auto& [value, name] : schema::EnumNames<Value>::names) flag.words.push_back(name);
    if constexpr (std::is_same_v<Value, RestartChoice>) {
        for (const auto& [value, name] : schema::EnumNames<domain::RestartPolicy>::names) flag.words.push_back(name);
        flag.has_more_words = true;
    }
    if constexpr (is_open_word<Value>) {
        flag.has_words_of_answers = true;
        for (const auto& [value, name] : schema::EnumNames<typename OpenWord<Value>::Of>::names)
            flag.words.push_back(name);
        flag.has_more_words = true;
    }
    flag.take = [facts, &into](const std::string& text) { return take_value(facts, into, text); };
    return flag;
}

}  // namespace detail

/// The flags of `arguments`, which must outlive them.
template <schema::HasFields A>
std::vector<Flag> flags_of(A& arguments) {
    std::vector<Flag> out;
    A::fields([&](const auto& f) {
        if (f.flag == nullptr) return;
        using M = typename std::decay_t<decltype(f)>::Value;
        if constexpr (detail::can_be_typed<M>) out.push_back(detail::make_flag(f, f.of(arguments)));
    });
    return out;
}

}  // namespace persistproc::cli
