#include "cli/flags.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "common/base/text.hpp"
#include "common/base/time.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli {

std::string flag_text(const Flag& flag) {
    std::string out = flag.facts.letter != 0 ? fmt::format("-{}, ", flag.facts.letter) : std::string();
    out += "--" + flag.name;
    if (flag.takes_value) out += fmt::format(" {}", flag.facts.value_name);
    return out;
}

std::vector<FlagShape> shapes_of(const std::vector<Flag>& flags) {
    std::vector<FlagShape> out;
    for (const Flag& flag : flags)
        out.push_back(FlagShape{flag.name, flag.facts.letter, flag.takes_value, flag.facts.also});
    return out;
}

namespace {

/// Words are accepted as answers spell them and as flags are.
std::string word_of(const Flag& flag, std::string text) {
    if (!flag.words.empty() && !flag.has_more_words) std::replace(text.begin(), text.end(), '-', '_');
    return text;
}

/// Empty: it is one of the words that the flag takes, which are written with dashes here and with underscores in JSON.
std::string why_no_word(const Flag& flag, const std::string& text) {
    if (std::find(flag.words.begin(), flag.words.end(), word_of(flag, text)) != flag.words.end()) return {};
    std::string known;
    for (const std::string_view each : flag.words) known += (known.empty() ? "" : ", ") + std::string(each);
    std::replace(known.begin(), known.end(), '_', '-');
    return fmt::format("\"{}\" is not one of {}", base::excerpt(text), known);
}

/// CLI11 as far as it is let near a command line: it declares flags, checks their values and calls who takes them.
/// Which words are flags was decided before (arguments.hpp), because the rest belongs to the program that is run.
void declare(CLI::App& app, const Flag& flag) {
    std::string names = "--" + flag.name;
    if (flag.facts.letter != 0) names = fmt::format("-{},{}", flag.facts.letter, names);
    const auto take = [&flag](const CLI::results_t& values) {
        for (const std::string& value : values)
            if (auto taken = flag.take(word_of(flag, value)); !taken)
                throw CLI::ValidationError("--" + flag.name, taken.error().message);
        return true;
    };
    CLI::Option* option = app.add_option(names, take, flag.facts.sentence());
    option->type_name(flag.facts.value_name)->allow_extra_args(false)->type_size(1);
    if (flag.repeats) option->take_all();
    if (!flag.words.empty() && !flag.has_more_words)
        option->check(CLI::Validator([&flag](const std::string& text) { return why_no_word(flag, text); }, ""));
}

/// As it was typed; a letter by the flag's whole name.
std::string name_text(const GivenFlag& flag) {
    return (flag.other.size() == 1 ? "-" : "--") + (flag.other.empty() ? flag.name : flag.other);
}

}  // namespace

Result<void> apply_flags(const std::vector<Flag>& flags, const std::vector<GivenFlag>& given) {
    if (given.empty()) return {};
    CLI::App app;
    app.set_help_flag();
    const auto is_given = [&given](const Flag& flag) {
        return std::any_of(given.begin(), given.end(), [&flag](const auto& each) { return each.name == flag.name; });
    };
    // Each costs a client microseconds of its start, and none that is not given has anything to say.
    for (const Flag& flag : flags)
        if (is_given(flag)) declare(app, flag);
    for (auto each = given.begin(); each != given.end(); ++each) {
        const auto flag =
            std::find_if(flags.begin(), flags.end(), [&](const Flag& of) { return of.name == each->name; });
        CLI::Option* option = app.get_option("--" + each->name);
        // Which of two was meant nobody can know.
        const auto differs = std::find_if(given.begin(), each, [&](const GivenFlag& before) {
            return before.name == each->name &&
                   (before.value != each->value || before.is_empty_tail() != each->is_empty_tail());
        });
        if (!flag->repeats && differs != each)
            return Error{ErrorCode::invalid,
                         fmt::format("{} {} and {} {} are one flag with two values: give it once", name_text(*differs),
                                     base::excerpt(differs->value), name_text(*each), base::excerpt(each->value))};
        if (!flag->repeats) option->clear();
        option->add_result(flag->takes_value ? each->value : std::string("true"));
    }
    for (CLI::Option* option : app.get_options()) {
        if (option->count() == 0) continue;
        try {
            option->run_callback();
        } catch (const CLI::Error& error) {
            std::string why = error.what();
            std::replace(why.begin(), why.end(), '\n', ' ');
            return Error{ErrorCode::invalid, base::escape_line(why)};
        }
    }
    return {};
}

namespace detail {

Result<std::uint64_t> read_whole_number(const schema::FieldFacts& facts, const std::string& text) {
    const bool takes_all = std::string_view(facts.value_name).ends_with("|all");
    if (takes_all && text == "all") return 0;
    constexpr std::size_t most_digits = 18;
    const bool is_of_digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    const bool is_number = is_of_digits && text.size() <= most_digits;
    std::uint64_t number = 0;
    if (is_number) std::from_chars(text.data(), text.data() + text.size(), number);
    const auto value = static_cast<double>(number);
    if (is_number && (!facts.has_range || (value >= facts.min && value <= facts.max))) return number;
    std::string range;
    if (is_of_digits)
        range = facts.has_range ? fmt::format(" from {} to {}", facts.min, facts.max)
                                : fmt::format(" of at most {} digits", most_digits);
    return Error{ErrorCode::invalid, fmt::format("a whole number{}{}, got \"{}\"", range, takes_all ? ", or all" : "",
                                                 base::excerpt(text))};
}

Result<double> read_seconds(const schema::FieldFacts& facts, const std::string& text) {
    const auto duration = base::parse_duration(text);
    if (!duration) return duration.error();
    const double seconds = std::chrono::duration<double>(*duration).count();
    if (!facts.has_range || (seconds >= facts.min && seconds <= facts.max)) return seconds;
    return Error{ErrorCode::invalid, fmt::format("from {} to {}, got \"{}\"", base::format_seconds(facts.min),
                                                 base::format_seconds(facts.max), base::excerpt(text))};
}

Result<int> read_signal(const std::string& text) { return domain::parse_signal(text); }

std::string with_underscores(std::string text) {
    std::replace(text.begin(), text.end(), '-', '_');
    return text;
}

Result<void> check_text(const schema::FieldFacts& facts, const std::string& text) {
    if (facts.kind == schema::ValueKind::time)
        if (const auto time = base::parse_time_or_age(text, base::wall_now()); !time) return time.error();
    const auto size = static_cast<double>(text.size());
    if (!facts.has_range || (size >= facts.min && size <= facts.max)) return {};
    return Error{ErrorCode::invalid, fmt::format("{} to {} bytes, got {}", facts.min, facts.max, text.size())};
}

Result<void> add_variable(const std::string& text, std::map<std::string, std::string>& into) {
    const std::size_t equals = text.find('=');
    // The text may be a secret given the wrong way round: it is not repeated.
    if (equals == std::string::npos || equals == 0 || text.find('\0') != std::string::npos)
        return Error{ErrorCode::invalid, "give KEY=VALUE"};
    if (!domain::is_variable_name(std::string_view(text).substr(0, equals)))
        return Error{ErrorCode::invalid, fmt::format("give KEY=VALUE; KEY is {}", domain::variable_name_rule)};
    into[text.substr(0, equals)] = text.substr(equals + 1);
    return {};
}

}  // namespace detail

}  // namespace persistproc::cli
