#pragma once
/// One list of fields per struct: what each is called, who may use it, how it is typed at a terminal. From it come the
/// JSON reader and writer and the JSON Schema (`codec.hpp`), the client's flags, help, manual and completion, and the
/// documents that are stored, so that none of them can drift apart.
///
///   struct StopRequest {
///       std::string process;
///       std::optional<double> grace_seconds;
///       template <class Each>
///       static constexpr void fields(Each&& each) {
///           each(schema::required("process", &StopRequest::process, "id, label, PID or command"));
///           each(schema::field("grace_seconds", &StopRequest::grace_seconds, "…").range(0, 3600));
///       }
///   };
///
/// A struct with a member `schema::Unknown unknown` keeps what it does not know of an answer or a stored document, and
/// writes it back.
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::schema {

using Json = nlohmann::ordered_json;

/// Who sends a request: an agent over MCP, or this project's own client over the unix socket. Fields that are the
/// client's alone do not exist for agents: neither in the schema nor as an argument.
enum class Audience { agent, client };

/// Where a field exists. A set: combine with |.
enum Use : unsigned char {
    by_agents = 1,
    by_client = 2,
    in_answers = 4,
    in_documents = 8,  // what is stored
    in_files = 16,     // what people write: a project's file
    in_requests = by_agents | by_client,
    everywhere = 15,
};
constexpr Use operator|(Use a, Use b) { return static_cast<Use>(static_cast<unsigned>(a) | static_cast<unsigned>(b)); }
constexpr Use use_of(Audience audience) { return audience == Audience::agent ? by_agents : by_client; }

/// What a value names: completion offers such values, and the manual explains them once.
enum class ValueKind { text, target, directory, file, signal, duration, size, time, agent, shell, number, command };

/// Members of a JSON object that this version does not know: name and value as JSON text, in order.
struct Unknown {
    std::vector<std::pair<std::string, std::string>> members;

    void forget(std::string_view name) {
        std::erase_if(members, [name](const auto& each) { return each.first == name; });
    }
    friend bool operator==(const Unknown&, const Unknown&) = default;
};

/// The JSON form of one field where it is not that of its type. The functions are pure.
template <class M>
struct Form {
    Json (*schema)();
    Result<M> (*read)(const Json& json, const std::string& path);
    Json (*write)(const M& value);
};

/// What is known of a field without its type.
struct FieldFacts {
    const char* name;
    const char* text = "";  // for agents; and for people, unless `help` says it in their words
    bool is_required = false;
    bool has_range = false;
    bool null_if_empty = false;  // an empty text or list, or the enumerator 0, is an absent fact
    bool left_out = false;       // where it is absent; else null stands for it
    bool is_line = false;        // a text that stands within lines of ours: base::why_not_shown
    bool is_secret = false;      // no refusal shows what was given
    double min = 0;
    double max = 0;
    Use uses = everywhere;
    const char* flag = nullptr;  // as typed after "--"; null: no flag
    char letter = 0;             // as typed after "-"
    const char* also = "";       // other names of the flag, separated by blanks: see `also_typed`
    const char* value_name = "";
    const char* help = nullptr;
    const char* key = "";        // as written in a project's file
    bool takes_restart = false;  // changed there, it holds for the next run and not for the present one
    ValueKind kind = ValueKind::text;

    constexpr bool is_for(Use use) const { return (uses & use) != 0; }
    constexpr const char* name_in(Use use) const { return use == in_files ? key : name; }
    constexpr const char* sentence() const { return help != nullptr ? help : text; }
};

/// `S`: the struct whose list it stands in. `Path`: how to come from it to the member.
template <class S, class M, class Path>
struct Field : FieldFacts {
    using Owner = S;
    using Value = M;

    Path path;
    const Form<M>* form = nullptr;

    constexpr const M& of(const S& owner) const { return path(owner); }
    constexpr M& of(S& owner) const { return const_cast<M&>(path(owner)); }

    /// Inclusive bounds of a number, or of the length of a text or list in bytes or items.
    constexpr Field range(double low, double high) const {
        Field copy = *this;
        copy.has_range = true;
        copy.min = low;
        copy.max = high;
        return copy;
    }
    constexpr Field only(Use where) const {
        Field copy = *this;
        copy.uses = where;
        return copy;
    }
    constexpr Field client_only() const { return only(by_client); }
    constexpr Field absent_if_empty() const {
        Field copy = *this;
        copy.null_if_empty = true;
        return copy;
    }
    constexpr Field left_out_if_absent() const {
        Field copy = *this;
        copy.left_out = true;
        return copy;
    }
    /// A text that others read in one line of ours: what cannot be shown there as it is is refused.
    constexpr Field line() const {
        Field copy = *this;
        copy.is_line = true;
        return copy;
    }
    /// Variables with their values: a refusal says where something is wrong and of what type it is, nothing of a text,
    /// and of a member's name what stands before its first "=".
    constexpr Field secret() const {
        Field copy = *this;
        copy.is_secret = true;
        return copy;
    }
    constexpr Field in_form(const Form<M>* how) const {
        Field copy = *this;
        copy.form = how;
        return copy;
    }
    /// `names`: "force", or "C,working-directory" with a letter before it.
    constexpr Field as_flag(const char* names, const char* value = "", const char* sentence = nullptr) const {
        Field copy = *this;
        const bool has_letter = names[0] != 0 && names[1] == ',';
        copy.letter = has_letter ? names[0] : '\0';
        copy.flag = has_letter ? names + 2 : names;
        copy.value_name = value;
        copy.help = sentence;
        return copy;
    }
    /// Names by which people know the flag from elsewhere, which no help shows: "name", or "t" for -t. "#" stands for
    /// -50, "%" for any word behind one dash that is no flag: their value is what stands behind the dash.
    constexpr Field also_typed(const char* names) const {
        Field copy = *this;
        copy.also = names;
        return copy;
    }
    /// Also a key of a project's file.
    constexpr Field as_key(const char* name_there) const {
        Field copy = *this;
        copy.uses = uses | in_files;
        copy.key = name_there;
        return copy;
    }
    constexpr Field taking_restart() const {
        Field copy = *this;
        copy.takes_restart = true;
        return copy;
    }
    constexpr Field of_kind(ValueKind what) const {
        Field copy = *this;
        copy.kind = what;
        return copy;
    }
};

namespace detail {

template <class S, class M>
struct DirectPath {
    M S::*member;
    constexpr const M& operator()(const S& owner) const { return owner.*member; }
};
template <class S, class Inner, class Path>
struct NestedPath {
    Inner S::*outer;
    Path inner;
    constexpr const auto& operator()(const S& owner) const { return inner(owner.*outer); }
};

}  // namespace detail

template <class S, class M>
constexpr auto field(const char* name, M S::*member, const char* text = "") {
    using Path = detail::DirectPath<S, M>;
    return Field<S, M, Path>{FieldFacts{.name = name, .text = text}, Path{member}};
}

template <class S, class M>
constexpr auto required(const char* name, M S::*member, const char* text = "") {
    using Path = detail::DirectPath<S, M>;
    return Field<S, M, Path>{FieldFacts{.name = name, .text = text, .is_required = true}, Path{member}};
}

/// The fields of a member, as fields of the struct that holds it: one JSON object, not one within another.
template <class S, class Inner, class Each>
constexpr void inlined(Inner S::*member, Each&& each) {
    Inner::fields([&](const auto& f) {
        using F = std::decay_t<decltype(f)>;
        using Path = detail::NestedPath<S, Inner, decltype(F::path)>;
        each(Field<S, typename F::Value, Path>{static_cast<const FieldFacts&>(f), Path{member, f.path}, f.form});
    });
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

/// An enumerator, or the word of one that this version does not know: answers come from daemons that may be newer.
template <class E>
class Open {
public:
    Open(E value = E{}) : value_(value) {}
    static Open from_word(std::string_view word) {
        Open out;
        for (const auto& [value, name] : EnumNames<E>::names)
            if (name == word) return Open(value);
        out.value_.reset();
        out.word_ = word;
        return out;
    }
    /// Nothing: this version has no such enumerator.
    std::optional<E> known() const noexcept { return value_; }
    /// Its own word, known or not. Valid as long as this object.
    std::string_view word() const noexcept { return value_ ? enum_name(*value_) : std::string_view(word_); }
    friend bool operator==(const Open& a, const Open& b) { return a.value_ == b.value_ && a.word_ == b.word_; }
    friend bool operator==(const Open& a, E b) { return a.value_ == b; }

private:
    std::optional<E> value_;
    std::string word_;
};
template <class E>
std::string_view enum_name(const Open<E>& value) {
    return value.word();
}

// ---- codecs: declared here, defined in codec.hpp and instantiated once, beside their struct ----

struct Unused {
    constexpr void operator()(const auto&) const {}
};
template <class T>
concept HasFields = requires {
    T::fields(Unused{});
};
template <class T>
concept HasEnumNames = requires {
    EnumNames<T>::names;
};

/// Of a request, for `audience`, nothing else may be given; of an answer (`closed` false) members that may be null are
/// left open, and so is what an agent needs no schema to read (enumerators): schemas cost tokens in every session.
template <HasFields S>
Json object_schema(Audience audience = Audience::agent, bool closed = true);

/// As it stands in an answer.
template <class T>
Json to_json(const T& value);

/// A request as its sender writes it: absent facts and defaults are left out.
template <HasFields S>
Json to_arguments(const S& request);

/// Reads the arguments of a tool: unknown names, missing ones, wrong types and values out of range are `invalid`
/// errors that name the argument and what is accepted. Pure.
template <HasFields S>
Result<S> parse(const Json& json, Audience audience = Audience::agent);

/// Reads an answer of a daemon that may be newer: what is not known is kept where the struct keeps it, else left out.
/// Errors: corrupt.
template <class T>
Result<T> read_answer(const Json& json);

}  // namespace persistproc::schema

/// The codecs of a request and of an answer: with `extern` below the struct, so that no other source makes them again;
/// without a word in the source that includes codec.hpp and makes them. To be used outside of all namespaces.
#define PERSISTPROC_REQUEST_CODECS(prefix, T)                                                                      \
    prefix template persistproc::schema::Json persistproc::schema::object_schema<T>(persistproc::schema::Audience, \
                                                                                    bool);                         \
    prefix template persistproc::schema::Json persistproc::schema::to_arguments<T>(const T&);                      \
    prefix template persistproc::base::Result<T> persistproc::schema::parse<T>(const persistproc::schema::Json&,   \
                                                                               persistproc::schema::Audience);
#define PERSISTPROC_ANSWER_CODECS(prefix, T)                                                                       \
    prefix template persistproc::schema::Json persistproc::schema::object_schema<T>(persistproc::schema::Audience, \
                                                                                    bool);                         \
    prefix template persistproc::schema::Json persistproc::schema::to_json<T>(const T&);                           \
    prefix template persistproc::base::Result<T> persistproc::schema::read_answer<T>(const persistproc::schema::Json&);
