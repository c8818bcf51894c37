#include "daemon/options.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>

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

/// A whole number that is not negative; without a name, which would be shown in --help.
CLI::Validator make_count_check() {
    const auto check = [](const std::string& text) -> std::string {
        const bool is_number = !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == text.npos;
        return is_number ? "" : "a whole number is expected, got \"" + base::excerpt(text) + "\"";
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

/// What the file says and neither the command line nor a variable, as if it had been typed. `places`: where each of
/// those stands. Errors: invalid, with the place.
Result<void> add_settings(CLI::App& app, const config::ConfigFile& file, std::map<std::string, std::string>& places) {
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options())
        if (option->get_configurable()) known.push_back(option->get_lnames().front());
    for (const config::Setting& setting : file.table("daemon")) {
        if (std::find(known.begin(), known.end(), setting.key) == known.end())
            return config::unknown_key(setting, "daemon", known);
        CLI::Option* const option = app.get_option("--" + setting.key);
        if (option->count() > 0 || has_variable(setting.key)) continue;
        places[setting.key] = setting.place + ": " + setting.key;
        try {
            for (const std::string& value : setting.values) option->add_result(value);
            if (option->count() > 0) option->run_callback();
        } catch (const CLI::Error& error) {
            return Error{ErrorCode::invalid, setting.place + ": " + base::escape_line(error.what())};
        }
    }
    return {};
}

/// The flags that are settings.
void declare(CLI::App& app, config::DaemonSettings& settings) {
    config::DaemonSettings::fields([&](const auto& field) {
        using Value = typename std::decay_t<decltype(field)>::Value;
        const std::string name = std::string("--") + field.flag;
        if constexpr (std::is_same_v<Value, bool>) {
            app.add_flag(name, field.of(settings), field.sentence());
        } else {
            CLI::Option* option =
                app.add_option(name, field.of(settings), field.sentence())->type_name(field.value_name);
            if constexpr (std::is_same_v<Value, std::optional<std::uint64_t>>) option->check(make_count_check());
            if constexpr (std::is_same_v<Value, std::vector<std::string>>) option->allow_extra_args(false);
        }
    });
}

/// Nothing is printed in vain.
Result<void> print(const std::string& text) {
    if (const int failed = base::write_all(STDOUT_FILENO, text); failed != 0) return base::os_failure("stdout", failed);
    return {};
}

}  // namespace

Result<Options> parse_options(int argc, char** argv, bool& done) {
    Options options;
    std::string data, port;
    done = false;
    CLI::App app{"The daemon of persistproc: keeps programs running and records what they print.", "persistprocd"};
    app.get_help_ptr()->configurable(false);
    app.set_version_flag("--version", "persistprocd " + base::version_text(base::version(), base::commit()))
        ->configurable(false);
    app.add_option("--data-dir", data,
                   "Directory for everything it keeps (PERSISTPROC_DATA_DIR; ~/.local/state/persistproc)")
        ->configurable(false)
        ->type_name("DIR");
    app.add_option("--port", port, "TCP port on 127.0.0.1 for agents; 0: any free one (PERSISTPROC_PORT; 8947)")
        ->type_name("PORT");
    app.add_option("--ready-fd", options.ready_fd, "Descriptor that is written to once it serves")
        ->check(make_count_check())
        ->configurable(false)
        ->type_name("FD");
    app.add_flag("-q,--quiet", options.quiet, "Do not print the endpoint and how to add it to agents")
        ->configurable(false);
    app.add_flag("-v,--verbose", options.verbose, "Say more")->configurable(false);
    app.add_flag("--check", options.only_checks, "Say what is wrong with flags, variables and settings, and end")
        ->configurable(false);
    config::DaemonSettings settings;
    declare(app, settings);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& what) {
        std::ostringstream text;
        app.exit(what, text, text);
        if (auto printed = print(text.str()); !printed) return printed.error();
        done = true;
        return options;
    } catch (const CLI::ParseError& what) {
        return Error{ErrorCode::invalid, std::string(what.what()) + " (see persistprocd --help)"};
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
    options.keep_ended = settings.keep_ended.value_or(options.keep_ended);
    options.max_processes = settings.max_processes.value_or(options.max_processes);
    options.agent_starts = static_cast<std::uint32_t>(settings.agent_starts.value_or(options.agent_starts));
    auto directory = rundir::resolve_data_directory(data);
    if (!directory) return directory.error();
    options.data = std::move(*directory);
    auto number = port.empty() ? rundir::find_port() : rundir::parse_port(port, place_of("port"));
    if (!number) return number.error();
    options.port = *number;
    if (settings.auth) {
        auto way = rundir::parse_auth(*settings.auth, place_of("auth"));
        if (!way) return way.error();
        options.auth = *way;
    } else {
        auto way = rundir::find_auth();
        if (!way) return way.error();
        options.auth = *way;
    }
    for (const std::string& origin : settings.allowed_origins)
        if (!mcp::http::is_origin(origin))
            return Error{ErrorCode::invalid,
                         place_of("allow-origin") +
                             ": an origin such as http://localhost:6274 is expected, without a path; got \"" +
                             base::excerpt(origin) + "\""};
    options.allowed_origins = std::move(settings.allowed_origins);
    auto compat = settings.compat ? Result<bool>(true) : rundir::find_compat();
    if (!compat) return compat.error();
    options.compat = *compat;
    return options;
}

}  // namespace persistproc::daemon
