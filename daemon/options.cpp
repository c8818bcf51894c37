#include "daemon/options.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>

#include "common/base/columns.hpp"
#include "common/base/file.hpp"
#include "common/base/size.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/config/config_file.hpp"
#include "common/config/daemon_settings.hpp"
#include "common/mcp/http/access.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::daemon {

namespace {

/// A whole number of at least `least`, which is not negative; without a name, which would be shown in --help.
CLI::Validator make_count_check(double least) {
    const auto check = [least](const std::string& text) -> std::string {
        constexpr std::size_t most_digits = 9;
        const bool is_number =
            !text.empty() && text.size() <= most_digits && text.find_first_not_of("0123456789") == text.npos;
        if (is_number && std::stod(text) >= least) return {};
        const std::string bound = least > 0 ? fmt::format(" of at least {}", least) : "";
        return fmt::format("a whole number{} is expected, got \"{}\"", bound, base::excerpt(text));
    };
    return CLI::Validator(check, "");
}

/// Whether a variable says what the file would say.
bool has_variable(const std::string& key) {
    constexpr std::pair<std::string_view, const char*> variables[] = {
        {"port", "PERSISTPROC_PORT"}, {"auth", "PERSISTPROC_AUTH"}, {"compat", "PERSISTPROC_COMPAT"}};
    for (const auto& [name, variable] : variables) {
        const char* const value = name == key ? std::getenv(variable) : nullptr;
        if (value != nullptr && *value != '\0') return true;
    }
    return false;
}

Result<void> check_overridden(const config::Setting& setting) {
    const std::string place = setting.place + ": " + setting.key;
    for (const std::string& value : setting.values) {
        if (setting.key == "port")
            if (const auto port = rundir::parse_port(value, place); !port) return port.error();
        if (setting.key == "auth")
            if (const auto way = rundir::parse_auth(value, place); !way) return way.error();
    }
    return {};
}

bool is_switch(const CLI::Option& option) {
    return option.get_items_expected_max() == 0 || option.get_type_size_max() == 0;
}

/// What the library found wrong with the words, in ours.
Error refusal_of(const CLI::App& app, const CLI::ParseError& what) {
    const std::string text = what.what();
    std::string why = text;
    const std::size_t at = std::min(text.find("--"), text.size());
    const std::string flag = text.substr(at, text.find_first_of(":= ", at) - at);
    const std::vector<std::string> extra = app.remaining();
    if (dynamic_cast<const CLI::ExtrasError*>(&what) != nullptr && !extra.empty())
        why = fmt::format("{} {}", extra.front().starts_with('-') ? "unknown flag" : "unexpected",
                          base::quote(base::excerpt(extra.front())));
    else if (dynamic_cast<const CLI::ArgumentMismatch*>(&what) != nullptr)
        why = flag + (text.find("At Most") != text.npos ? ": give it once" : ": a value is missing");
    else if (dynamic_cast<const CLI::ConversionError*>(&what) != nullptr)
        why = flag + ": no value that it takes";
    std::replace(why.begin(), why.end(), '\n', ' ');
    return {ErrorCode::invalid, base::escape_line(why) + " (see persistprocd --help)"};
}

/// What the file says and neither the command line nor a variable, as if it had been typed. `places`: where each of
/// those stands. Errors: invalid, with the place.
Result<void> add_settings(CLI::App& app, const config::ConfigFile& file, std::map<std::string, std::string>& places) {
    const std::vector<std::string> known = config::daemon_keys();
    for (const config::Setting& setting : file.table("daemon")) {
        if (std::find(known.begin(), known.end(), setting.key) == known.end())
            return config::unknown_key(setting, "daemon", known);
        CLI::Option* const option = app.get_option("--" + setting.key);
        if (is_switch(*option) && !setting.values.empty() && !setting.is_switch)
            return Error{ErrorCode::invalid, fmt::format("{}: {}: true or false is expected, got \"{}\"", setting.place,
                                                         setting.key, base::excerpt(setting.values.front()))};
        if (option->count() > 0 || has_variable(setting.key)) {
            // It does not count, and is wrong all the same.
            if (auto fine = check_overridden(setting); !fine) return fine;
            continue;
        }
        places[setting.key] = setting.place + ": " + setting.key;
        try {
            for (const std::string& value : setting.values) option->add_result(value);
            if (option->count() > 0) option->run_callback();
        } catch (const CLI::Error& error) {
            // There it is a key, without the dashes of its flag.
            const std::string_view what = error.what();
            return Error{ErrorCode::invalid,
                         setting.place + ": " + base::escape_line(what.substr(what.starts_with("--") ? 2 : 0))};
        }
    }
    return {};
}

/// The flags of a list of fields, for values that go straight into `into`.
template <schema::HasFields S>
void declare(CLI::App& app, S& into) {
    S::fields([&](const auto& field) {
        using Value = typename std::decay_t<decltype(field)>::Value;
        const std::string name = std::string("--") + field.flag;
        const std::string names = field.letter != 0 ? std::string("-") + field.letter + "," + name : name;
        Value& value = field.of(into);
        CLI::Option* option = nullptr;
        if constexpr (std::is_same_v<Value, bool>) {
            option = app.add_flag(names, value, field.sentence());
        } else if constexpr (std::is_same_v<Value, std::optional<rundir::Auth>>) {
            const auto take = [&value, name](const CLI::results_t& words) {
                const auto way = rundir::parse_auth(words.back(), name);
                if (!way) throw CLI::ValidationError(way.error().message);
                value = *way;
                return true;
            };
            option = app.add_option(names, take, field.sentence());
        } else {
            option = app.add_option(names, value, field.sentence());
            if constexpr (std::is_same_v<Value, std::optional<std::uint64_t>> ||
                          std::is_same_v<Value, std::optional<int>>)
                option->check(make_count_check(field.min));
            if constexpr (std::is_same_v<Value, std::vector<std::string>>) option->allow_extra_args(false);
        }
        if constexpr (!std::is_same_v<Value, bool>) option->type_name(field.value_name);
    });
}

/// As the client's, from what was declared.
std::string help_of(const CLI::App& app) {
    winsize size{};
    const bool has_size = ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    const std::size_t columns = base::help_columns(has_size ? size.ws_col : 0);
    std::vector<std::pair<std::string, std::string>> flags;
    std::size_t width = 0;
    for (const CLI::Option* option : app.get_options()) {
        std::string text;
        for (const std::string& letter : option->get_snames()) text += fmt::format("-{}, ", letter);
        text += "--" + option->get_lnames().front();
        if (!is_switch(*option)) text += " " + option->get_type_name();
        width = std::max(width, text.size());
        flags.emplace_back(std::move(text), option->get_description());
    }
    std::string out =
        fmt::format("Usage: {} [FLAGS]\n\n{}\n\n", app.get_name(), base::wrap(app.get_description(), columns));
    for (const auto& [text, sentence] : flags) out += base::list_entry(text, width, sentence, columns);
    return out;
}

/// Nothing is printed in vain.
Result<void> print(const std::string& text) {
    if (const int failed = base::write_all(STDOUT_FILENO, text); failed != 0) return base::os_failure("stdout", failed);
    return {};
}

}  // namespace

Result<Options> parse_options(int argc, char** argv, bool& done) {
    Options options;
    done = false;
    CLI::App app{"The daemon of persistproc: keeps programs running and records what they print.", "persistprocd"};
    config::DaemonSettings settings;
    declare(app, settings);
    config::DaemonFlags flags;
    declare(app, flags);
    app.add_flag("--check", options.only_checks, "Say what is wrong with flags, variables and settings, and end");
    app.add_flag("--check-start", options.checks_start,
                 "Say what else would keep it from serving this data directory, too, and end");
    app.add_flag("-q,--quiet", options.quiet, "Do not print the endpoint and how to add it to agents");
    config::DaemonPlace where;
    declare(app, where);
    app.set_help_flag("-h,--help", "This text");
    app.set_version_flag("--version", "persistprocd " + base::version_text(base::version(), base::commit()),
                         "Which version this is");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& what) {
        std::ostringstream version;
        const bool is_help = dynamic_cast<const CLI::CallForHelp*>(&what) != nullptr;
        if (!is_help) app.exit(what, version, version);
        if (auto printed = print(is_help ? help_of(app) : version.str()); !printed) return printed.error();
        done = true;
        return options;
    } catch (const CLI::ParseError& what) {
        return refusal_of(app, what);
    }
    const auto file = config::read_config(config::find_config_path());
    if (!file) return file.error();
    std::map<std::string, std::string> places;
    if (auto added = add_settings(app, *file, places); !added) return added.error();
    const auto place_of = [&places](const std::string& key) {
        const auto place = places.find(key);
        return place == places.end() ? "--" + key : place->second;
    };
    constexpr std::uint64_t least = 1u << 20;
    for (const auto& [name, text, bytes] :
         {std::tuple("process-log-limit", &settings.process_log_limit, &options.process_log_bytes),
          std::tuple("total-log-limit", &settings.total_log_limit, &options.total_log_bytes)}) {
        if (!*text) continue;
        auto size = base::parse_size(**text);
        if (!size) return base::with_context(size.error(), place_of(name));
        if (*size < least) return Error{ErrorCode::invalid, place_of(name) + ": at least 1MiB"};
        *bytes = *size;
    }
    options.verbose = flags.verbose;
    if (auto open = config::check_ready_fd(flags.ready_fd); !open) return open.error();
    options.ready_fd = flags.ready_fd.value_or(options.ready_fd);
    options.keep_ended = settings.keep_ended.value_or(options.keep_ended);
    options.max_processes = settings.max_processes.value_or(options.max_processes);
    options.agent_starts = static_cast<std::uint32_t>(settings.agent_starts.value_or(options.agent_starts));
    auto directory = rundir::resolve_data_directory(where.data_directory);
    if (!directory) return directory.error();
    options.data = std::move(*directory);
    auto number = where.port.empty() ? rundir::find_port() : rundir::parse_port(where.port, place_of("port"));
    if (!number) return number.error();
    options.port = *number;
    auto way = settings.auth ? Result<std::optional<rundir::Auth>>(settings.auth) : rundir::find_auth();
    if (!way) return way.error();
    options.auth = *way;
    for (const std::string& text : settings.allowed_origins) {
        auto origin = mcp::http::parse_origin(text);
        if (!origin)
            return Error{ErrorCode::invalid,
                         place_of("allow-origin") +
                             ": an origin such as http://localhost:6274 is expected, without a path; got \"" +
                             base::excerpt(text) + "\""};
        options.allowed_origins.push_back(std::move(*origin));
    }
    auto compat = settings.compat ? Result<bool>(true) : rundir::find_compat();
    if (!compat) return compat.error();
    options.compat = *compat;
    return options;
}

}  // namespace persistproc::daemon
