#pragma once
/// What a subcommand is: how it is typed, what its flags and words become, and what runs. Each stands in the file of
/// its command, and in one line of the table (commands/table.cpp). Dispatch, help, the README's table, the manual and
/// completion come from the table.
#include <map>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cli/context.hpp"
#include "cli/event_loop.hpp"
#include "cli/flags.hpp"
#include "common/async/clock.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::cli {

/// What was said beside the values that went into the arguments.
struct Given {
    std::string_view subcommand;
    const CommonOptions& common;
    std::map<std::string, GivenFlag> flags;  // by name, the last of each
    bool dashes = false;                     // `--` stands before the words, or among them where flags may
    bool implied = false;                    // the subcommand was left out: it is run
    // For advice: "persistproc start --label x", what was typed before the words; and which flags there are.
    std::string line;
    std::vector<FlagShape> all_flags, own_flags;

    bool has(const std::string& flag) const { return flags.contains(flag); }
};

struct Subcommand {
    ops::Typed typed;
    std::shared_ptr<void> (*make)() = nullptr;  // its arguments, as they are when nothing is said
    std::vector<Flag> (*flags)(void* arguments) = nullptr;
    /// Takes the words that are no flags, and checks what no flag tells alone. Errors: invalid.
    Result<void> (*take)(void* arguments, std::vector<std::string> words, const Given& given) = nullptr;
    /// Returns the exit status. Takes what is in `arguments`.
    int (*run)(const CommonOptions& common, const Console& console, void* arguments) = nullptr;
    const void* kind = nullptr;  // of `arguments`
    bool needs_settings = true;  // a wrong file of settings keeps it from its work

    bool is_named(std::string_view word) const;
    FlagPlace place() const {
        return typed.words_kind == schema::ValueKind::command ? FlagPlace::before_words : FlagPlace::anywhere;
    }
};

Error missing_target(std::string_view subcommand);
Error unexpected_word(std::string_view subcommand, const std::string& word);

namespace detail {

template <class A>
inline constexpr char kind_of = 0;

template <class F>
struct RunOf;
template <class A>
struct RunOf<Task<int> (*)(Context, A)> {
    using Arguments = A;
};
template <class A>
struct RunOf<int (*)(const CommonOptions&, const Console&, A)> {
    using Arguments = A;
};

template <class A>
concept TakesWords = requires(A& arguments, std::vector<std::string> words, const Given& given) {
    { arguments.take(std::move(words), given) } -> std::same_as<Result<void>>;
};

}  // namespace detail

/// `run`: Task<int>(Context, A), or int(const CommonOptions&, const Console&, A) without an event loop. A has
/// `fields()` and, where it takes words, `Result<void> take(words, given)`.
template <auto run>
constexpr Subcommand make_subcommand(ops::Typed typed) {
    using A = typename detail::RunOf<decltype(run)>::Arguments;
    Subcommand out;
    out.typed = typed;
    out.kind = &detail::kind_of<A>;
    out.make = [] { return std::shared_ptr<void>(std::make_shared<A>()); };
    out.flags = [](void* arguments) { return flags_of(*static_cast<A*>(arguments)); };
    out.take = [](void* arguments, std::vector<std::string> words, const Given& given) -> Result<void> {
        if constexpr (detail::TakesWords<A>) {
            return static_cast<A*>(arguments)->take(std::move(words), given);
        } else {
            if (!words.empty()) return unexpected_word(given.subcommand, words.front());
            return {};
        }
    };
    out.run = [](const CommonOptions& common, const Console& console, void* arguments) -> int {
        A& own = *static_cast<A*>(arguments);
        if constexpr (std::is_invocable_v<decltype(run), const CommonOptions&, const Console&, A>)
            return run(common, console, std::move(own));
        else
            return run_task([&](boost::asio::any_io_executor executor) {
                return run(Context{executor, common, console}, std::move(own));
            });
    };
    return out;
}

/// One that does its work with a wrong file of settings, too, as if there were none.
constexpr Subcommand without_settings(Subcommand subcommand) {
    subcommand.needs_settings = false;
    return subcommand;
}

/// All of them, in the order help shows them.
std::span<const Subcommand* const> all_subcommands();
/// By name or alias; nullptr: none.
const Subcommand* find_subcommand(std::string_view word);

}  // namespace persistproc::cli
