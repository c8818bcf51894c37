#include "cli/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "cli/arguments.hpp"
#include "cli/common_flags.hpp"
#include "cli/console.hpp"
#include "cli/format/help.hpp"
#include "cli/subcommand.hpp"
#include "cli/words.hpp"
#include "common/base/text.hpp"
#include "common/config/config_file.hpp"
#include "common/config/daemon_settings.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli {

namespace {

/// Needs no settings, so that wrong ones cannot keep it from anybody.
Result<Invocation> make_help(std::string_view word) {
    Invocation out;
    const Subcommand* subcommand = word.empty() ? nullptr : find_subcommand(word);
    if (!word.empty() && subcommand == nullptr) {
        if (const std::string instead = instead_of(word); !instead.empty())
            return Error{ErrorCode::invalid, fmt::format("\"{}\" is no subcommand: {}", base::excerpt(word), instead)};
        const std::string near = near_subcommand(word);
        return Error{ErrorCode::invalid,
                     fmt::format("no subcommand \"{}\"; {}persistproc --help lists them", base::excerpt(word),
                                 near.empty() ? "" : fmt::format("did you mean {}? ", near))};
    }
    const int columns = Console(CommonOptions()).width();
    out.help = subcommand == nullptr ? format::general_help(columns) : format::subcommand_help(*subcommand, columns);
    return out;
}

/// One subcommand's line: its flags, wherever they stand, and its words.
struct Line {
    const Subcommand* subcommand;
    std::shared_ptr<void> arguments;
    CommonFlags common;
    std::vector<Flag> flags;
    std::size_t own = 0;  // of them, the first ones

    explicit Line(const Subcommand& which) : subcommand(&which), arguments(which.make()) {
        flags = which.flags(arguments.get());
        own = flags.size();
        add_common_flags(common, flags);
    }
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;
};

constexpr std::string_view client_keys[] = {"format", "no-color"};
constexpr std::string_view run_keys[] = {"color",   "grace", "history", "no-autostart",
                                         "on-exit", "raw",   "restart", "stop-signal"};

/// Gives flags what one table of the file says of them. `keys`: what may stand there.
Result<void> apply_settings(const config::ConfigFile& file, const std::string& table, const std::vector<Flag>& flags,
                            std::span<const std::string_view> keys) {
    for (const config::Setting& setting : file.table(table)) {
        if (std::find(keys.begin(), keys.end(), setting.key) == keys.end())
            return config::unknown_key(setting, table, {keys.begin(), keys.end()});
        const auto flag =
            std::find_if(flags.begin(), flags.end(), [&](const Flag& each) { return each.name == setting.key; });
        if (flag == flags.end()) continue;
        if (!flag->takes_value && !setting.values.empty() && !setting.is_switch)
            return Error{ErrorCode::invalid,
                         fmt::format("{}: {}: true or false is expected", setting.place, setting.key)};
        for (const std::string& value : setting.values)
            if (auto applied = apply_flags(flags, {{setting.key, value, {}}}); !applied)
                return base::with_context(applied.error(), setting.place);
    }
    return {};
}

/// `defining`: the flags of a line that defines a process, which [run] is about.
Result<FileSettings> read_settings(const std::vector<Flag>& defining) {
    auto file = config::read_config(config::find_config_path());
    if (!file) return file.error();
    FileSettings out;
    if (auto applied = apply_settings(*file, "client", flags_of(out.client), client_keys); !applied)
        return applied.error();
    if (auto applied = apply_settings(*file, "run", defining, run_keys); !applied) return applied.error();
    const std::vector<std::string> daemon_keys = config::daemon_keys();
    for (const config::Setting& setting : file->table("daemon")) {
        // A daemon that runs has read it long ago.
        if (std::find(daemon_keys.begin(), daemon_keys.end(), setting.key) == daemon_keys.end())
            return config::unknown_key(setting, "daemon", daemon_keys);
        if (setting.key != "port" || setting.values.size() != 1) continue;
        out.client.port = setting.values.front();
        out.port_place = setting.place + ": port";
    }
    return out;
}

/// `word`: the subcommand as it was typed.
Result<Invocation> finish(Line& line, std::string_view word, const CommonFlags& before,
                          const Result<FileSettings>& file, SplitArguments split, bool implied = false) {
    Invocation out;
    if (!file && line.subcommand->needs_settings) return file.error();
    auto common = resolve(before, line.common, file ? *file : FileSettings());
    if (!common) return common.error();
    out.common = std::move(*common);
    if (!file) out.common.settings_fault = file.error().message;
    Given given{.subcommand = word,
                .common = out.common,
                .flags = {},
                .dashes = split.dashes,
                .implied = implied,
                .line = fmt::format("persistproc {}", word),
                .all_flags = shapes_of(line.flags),
                .own_flags = {}};
    for (const GivenFlag& flag : split.flags) given.flags.insert_or_assign(flag.name, flag);
    for (const TypedFlag& flag : sort_out(split.typed, given.all_flags).flags) given.line += " " + flag.text;
    given.own_flags.assign(given.all_flags.begin(), given.all_flags.begin() + static_cast<std::ptrdiff_t>(line.own));
    const bool has_empty = std::find(split.words.begin(), split.words.end(), std::string()) != split.words.end();
    if (has_empty && line.subcommand->typed.words_kind == schema::ValueKind::target)
        return Error{ErrorCode::invalid,
                     fmt::format("{}: an empty word names no process; is a variable of your shell unset?", word)};
    if (auto taken = line.subcommand->take(line.arguments.get(), std::move(split.words), given); !taken)
        return taken.error();
    out.subcommand = line.subcommand;
    out.arguments = line.arguments;
    return out;
}

}  // namespace

bool Subcommand::is_named(std::string_view word) const {
    if (word == typed.name) return true;
    for (std::string_view rest = typed.aliases; !rest.empty();) {
        const std::size_t blank = rest.find(' ');
        if (word == rest.substr(0, blank)) return true;
        rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
    }
    return false;
}

const Subcommand* find_subcommand(std::string_view word) {
    for (const Subcommand* each : all_subcommands())
        if (!word.empty() && each->is_named(word)) return each;
    return nullptr;
}

Error missing_target(std::string_view subcommand) {
    return Error{
        ErrorCode::invalid,
        fmt::format("{}: which process? Give an id, label, PID or command (persistproc list shows them)", subcommand)};
}

Error unexpected_word(std::string_view subcommand, const std::string& word) {
    return Error{ErrorCode::invalid,
                 fmt::format("{}: unexpected \"{}\"{}", subcommand, base::excerpt(word), namesake_hint(subcommand))};
}

void add_common_flags(CommonFlags& common, std::vector<Flag>& own) {
    const auto has = [&own](const std::string& name) {
        return std::any_of(own.begin(), own.end(), [&](const Flag& each) { return each.name == name; });
    };
    std::vector<Flag> added;
    for (Flag& flag : flags_of(common)) {
        if (has(flag.name) && flag.name == "quiet") flag.name = "silent";
        if (!has(flag.name)) added.push_back(std::move(flag));
    }
    std::move(added.begin(), added.end(), std::back_inserter(own));
}

Result<CommonOptions> resolve(const CommonFlags& before, const CommonFlags& after, const FileSettings& file) {
    CommonOptions common;
    auto data =
        rundir::resolve_data_directory(after.data_directory.empty() ? before.data_directory : after.data_directory);
    if (!data) return data.error();
    common.data_directory = data->native();
    const std::string& port = after.port.empty() ? before.port : after.port;
    const char* const port_variable = std::getenv("PERSISTPROC_PORT");
    const bool is_in_file = !file.client.port.empty() && (port_variable == nullptr || *port_variable == '\0');
    auto number = !port.empty() ? rundir::parse_port(port, "--port")
                  : is_in_file  ? rundir::parse_port(file.client.port, file.port_place)
                                : rundir::find_port();
    if (!number) return number.error();
    common.port = *number;
    common.port_given = !port.empty();
    common.port_behind = !after.port.empty() && (port_variable == nullptr || after.port != port_variable);
    common.port_chosen = common.port_given || is_in_file || (port_variable != nullptr && *port_variable != '\0');
    std::optional<OutputFormat> format = before.json ? OutputFormat::json : before.format;
    if (after.format) format = after.format;
    if (after.json) format = OutputFormat::json;
    if (const char* variable = std::getenv("PERSISTPROC_FORMAT"); !format && variable != nullptr && *variable != '\0') {
        format = schema::Open<OutputFormat>::from_word(variable).known();
        if (!format)
            return Error{ErrorCode::invalid,
                         fmt::format("PERSISTPROC_FORMAT: text or json, got \"{}\"", base::excerpt(variable))};
    }
    if (!format) format = file.client.format;
    common.format = format.value_or(OutputFormat::text);
    common.no_color_typed = after.no_color || before.no_color;
    common.no_color = common.no_color_typed || file.client.no_color;
    common.quiet = after.quiet || before.quiet || file.client.quiet;
    auto compat = rundir::find_compat();
    if (!compat) return compat.error();
    common.compat = *compat;
    auto autostart = rundir::find_autostart();
    if (!autostart) return autostart.error();
    common.autostart = *autostart;
    return common;
}

namespace {

/// Which subcommand a flag is told of that stands before the first word: that word; else what runs a command.
std::string_view subcommand_in(const std::vector<std::string>& arguments) {
    const auto word = std::find_if(arguments.begin(), arguments.end(),
                                   [](const std::string& each) { return each.empty() || each[0] != '-'; });
    if (word == arguments.end()) return "";
    const Subcommand* const found = find_subcommand(*word);
    return found == nullptr ? "run" : found->typed.name;
}

}  // namespace

Result<Invocation> parse_invocation(const std::vector<std::string>& arguments) {
    // Flags before the first word: those of every subcommand, and those of `run`, because the word may be a command.
    Line run(*find_subcommand("run"));
    Flag version;
    bool wants_version = false;
    version.name = "version";
    version.facts = schema::FieldFacts{.name = "version", .letter = 'V'};
    version.take = [&wants_version](const std::string&) {
        wants_version = true;
        return Result<void>();
    };
    run.flags.push_back(version);
    auto split = split_arguments(arguments, shapes_of(run.flags), FlagPlace::before_words, subcommand_in(arguments));
    if (!split) return split.error();
    const std::string first = split->words.empty() ? std::string() : split->words[0];
    const Subcommand* subcommand = split->dashes ? nullptr : find_subcommand(first);
    // Wrong settings keep nobody from help.
    const auto file = read_settings(run.flags);
    if (auto applied = apply_flags(run.flags, split->flags); !applied) return applied.error();
    const bool is_help = !split->dashes && first == "help";
    if (run.common.help || arguments.empty() || is_help) {
        if (!is_help) return make_help(subcommand != nullptr ? first : std::string());
        // Behind it flags of every subcommand may stand, which change nothing of help.
        const auto asked = std::find_if(split->words.begin() + 1, split->words.end(),
                                        [](const std::string& each) { return !each.starts_with('-'); });
        return make_help(asked == split->words.end() ? std::string() : *asked);
    }
    if (wants_version) {
        Line line(*find_subcommand("version"));
        return finish(line, "version", run.common, file, SplitArguments{});
    }
    if (subcommand == nullptr) {
        if (split->words.empty())
            return Error{ErrorCode::invalid, "no subcommand and no command to run; see persistproc --help"};
        return finish(run, "run", CommonFlags{}, file, std::move(*split), true);
    }

    CommonFlags anywhere;
    const std::vector<Flag> common_flags = flags_of(anywhere);
    const bool is_run = subcommand == run.subcommand;
    for (const GivenFlag& given : split->flags) {
        const bool is_common = std::any_of(common_flags.begin(), common_flags.end(),
                                           [&given](const Flag& each) { return each.name == given.name; });
        if (!is_common && !is_run)
            return Error{ErrorCode::invalid,
                         fmt::format("--{} stands after the subcommand, or does not belong to {}", given.name, first)};
    }
    Line line(*subcommand);
    const std::vector<std::string> rest(split->words.begin() + 1, split->words.end());
    auto own = split_arguments(rest, shapes_of(line.flags), subcommand->place(), subcommand->typed.name);
    if (!own) return base::with_context(own.error(), first);
    if (subcommand->place() == FlagPlace::before_words && file) (void)read_settings(line.flags);
    own->typed.insert(own->typed.begin(), split->typed.begin(), split->typed.end());
    if (is_run) own->flags.insert(own->flags.begin(), split->flags.begin(), split->flags.end());
    if (auto applied = apply_flags(line.flags, own->flags); !applied) return base::with_context(applied.error(), first);
    if (line.common.help) return make_help(first);
    return finish(line, first, run.common, file, std::move(*own));
}

OutputFormat guess_format(const std::vector<std::string>& arguments) {
    const auto format_of = [](std::string_view word) {
        return word == "json" ? OutputFormat::json : OutputFormat::text;
    };
    std::optional<OutputFormat> guess;
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
        constexpr std::string_view assigned = "--format=";
        if (arguments[i] == "--json") guess = OutputFormat::json;
        if (arguments[i].starts_with(assigned))
            guess = format_of(std::string_view(arguments[i]).substr(assigned.size()));
        if (arguments[i] == "--format" && i + 1 < arguments.size()) guess = format_of(arguments[i + 1]);
    }
    const char* const variable = std::getenv("PERSISTPROC_FORMAT");
    if (!guess && variable != nullptr && *variable != '\0') guess = format_of(variable);
    if (guess) return *guess;
    const auto file = read_settings({});
    return file ? file->client.format.value_or(OutputFormat::text) : OutputFormat::text;
}

}  // namespace persistproc::cli
