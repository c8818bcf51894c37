// What process-compose files really use of that program; its own words for it stand in the table of keys below.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "common/base/text.hpp"
#include "common/project/foreign.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::project {

namespace {

enum class Meaning {
    taken,    // read here
    same,     // it is so here anyway, or says how that program shows itself
    noted,    // makes a difference that is said
    refused,  // what it asks for is not done
};
struct Key {
    std::string_view name;
    Meaning meaning = Meaning::taken;
    std::string_view why{};
};

constexpr Key file_keys[] = {{"processes"},
                             {"environment"},
                             {"env_file"},
                             {"vars"},
                             {"shell"},
                             {"version", Meaning::same},
                             {"is_strict", Meaning::same},
                             {"name", Meaning::same},
                             {"ordered_shutdown", Meaning::same},
                             {"disable_env_expansion", Meaning::same},
                             {"is_tui_disabled", Meaning::same},
                             {"log_level", Meaning::same},
                             {"log_length", Meaning::same},
                             {"log_location", Meaning::noted, "output is kept by persistproc"},
                             {"log_configuration", Meaning::noted, "output is kept by persistproc"},
                             {"log_format", Meaning::noted, "output is kept by persistproc"},
                             {"extends", Meaning::refused, "write what both have in one file"},
                             {"env_cmds", Meaning::refused, "nothing is run to read a file; put the values into .env"}};

constexpr Key entry_keys[] = {
    {"command"},
    {"entrypoint"},
    {"working_dir"},
    {"environment"},
    {"env_file"},
    {"depends_on"},
    {"readiness_probe"},
    {"liveness_probe"},
    {"ready_log_line"},
    {"availability"},
    {"shutdown"},
    {"success_exit_codes"},
    {"disabled"},
    {"namespace"},
    {"is_daemon"},
    {"vars"},
    {"description"},
    {"replicas"},
    {"is_disabled"},
    {"disable_ansi_colors", Meaning::same},
    {"is_dotenv_disabled", Meaning::noted, ".env is read for every process"},
    {"launch_timeout_seconds", Meaning::same},
    {"is_tty"},
    {"log_location", Meaning::noted, "output is kept by persistproc"},
    {"log_configuration", Meaning::noted, "output is kept by persistproc"},
    {"watch"},
    {"is_foreground", Meaning::refused, "programs that need the terminal are run there"},
    {"is_interactive", Meaning::refused, "programs that need the terminal are run there"},
    {"is_elevated", Meaning::refused, "nothing is run as another user"},
    {"schedule", Meaning::refused,
     "nothing is run by the clock; a timer does: systemd-run --user --on-calendar=daily persistproc start …"},
    {"extends", Meaning::refused, "write what both have in one file"}};

constexpr Key probe_keys[] = {{"exec"},
                              {"http_get"},
                              {"initial_delay_seconds"},
                              {"period_seconds"},
                              {"timeout_seconds"},
                              {"success_threshold"},
                              {"failure_threshold"}};
constexpr Key exec_keys[] = {{"command"}, {"working_dir"}};
constexpr Key http_keys[] = {{"host"},
                             {"scheme"},
                             {"path"},
                             {"port"},
                             {"num_port"},
                             {"status_code"},
                             {"headers", Meaning::refused, "is not sent; use exec"}};
constexpr Key availability_keys[] = {{"restart"},
                                     {"backoff_seconds"},
                                     {"max_restarts"},
                                     {"exit_on_end", Meaning::noted, "the others run on when it ends"},
                                     {"exit_on_failure", Meaning::noted, "the others run on when it fails"},
                                     {"exit_on_skipped", Meaning::noted, "the others run on when it is skipped"}};
constexpr Key watch_keys[] = {
    {"paths"},
    {"debounce"},
    {"disable_default_excludes"},
    {"max_entries", Meaning::same},
    {"buffer_size", Meaning::same},
    {"cascade", Meaning::noted, "what depends on it runs on; in persistproc.toml an edge says restart = true"}};
constexpr Key watch_path_keys[] = {{"path"}, {"include"}, {"exclude"}};
// What that program leaves out beyond what is left out here.
constexpr const char* more_excludes[] = {".hg",           ".svn",        ".idea",    ".vscode",    "vendor",  "bin",
                                         "venv",          ".mypy_cache", ".nuxt",    ".terraform", ".gradle", ".direnv",
                                         ".pytest_cache", "result",      "*.log.gz", ".DS_Store"};
constexpr Key shutdown_keys[] = {
    {"command"}, {"signal"}, {"timeout_seconds"}, {"parent_only", Meaning::noted, "the whole tree is ended"}};

/// Declared variables of `{{.X}}`.
using Vars = std::map<std::string, std::string, std::less<>>;
// In all.
constexpr std::size_t most_bytes_of_vars = 4u << 20;

class Reader {
public:
    Reader(Problems& problems, Problems& notes) : problems_(problems), notes_(notes) {}

    Node read(const Node& root) {
        check_keys(root, file_keys, "");
        Node out = make_table(root.at);
        const Vars vars = vars_of(root, {});
        read_shell(root);
        add_member(out, "env_file", environment_files(root));
        if (const Node* const env = root.find("environment")) add_member(out, "env", environment(*env, vars));
        Node processes = make_table(root.at);
        const Node* const given = root.find("processes");
        if (given != nullptr && given->is_table()) {
            find_waited_for(*given);
            for (const Member& each : given->members) {
                const std::string name = cleaned_name(each.key);
                if (processes.find(name) != nullptr)
                    refuse(each.at, fmt::format("{} is there twice", base::quote(name)));
                else
                    add_member(processes, name, process(each, vars)).at = each.value.at;
            }
        } else {
            refuse(given != nullptr ? given->at : root.at, "processes: a map is expected");
        }
        add_member(out, "process", std::move(processes));
        if (!groups_.members.empty()) add_member(out, "groups", std::move(groups_));
        return out;
    }

private:
    void refuse(Place at, std::string what) { add_problem(problems_, at, std::move(what)); }

    template <std::size_t N>
    void check_keys(const Node& table, const Key (&keys)[N], const std::string& path) {
        for (const Member& each : table.members) {
            const std::string where = (path.empty() ? "" : path + ".") + base::shortened(each.key);
            const auto key =
                std::find_if(std::begin(keys), std::end(keys), [&](const Key& k) { return k.name == each.key; });
            // Where files keep what their anchors stand for.
            if (key == std::end(keys) && path.empty() && each.key.starts_with("x-")) continue;
            if (key == std::end(keys)) {
                std::vector<std::string> known;
                for (const Key& k : keys) known.emplace_back(k.name);
                refuse(each.at, fmt::format("{}: {}", where, schema::detail::no_such_key(each.key, known)));
            } else if (key->meaning == Meaning::refused) {
                refuse(each.at, fmt::format("{}: {}", where, key->why));
            } else if (key->meaning == Meaning::noted && !is_off(each.value)) {
                add_problem(notes_, each.at, fmt::format("{}: {}", where, key->why));
            }
        }
    }
    static bool is_off(const Node& node) { return node.is_plain && node.text == "false"; }

    // Scalars have the type that their key gives them.

    bool flag(const Node& node, const std::string& path) {
        for (const std::string_view yes : {"true", "yes", "on", "True", "TRUE"})
            if (node.is_plain && node.text == yes) return true;
        for (const std::string_view no : {"false", "no", "off", "False", "FALSE"})
            if (node.is_plain && node.text == no) return false;
        refuse(node.at, fmt::format("{}: true or false is expected", path));
        return false;
    }
    std::int64_t integer(const Node& node, const std::string& path) {
        std::int64_t out = 0;
        const char* const end = node.text.data() + node.text.size();
        const auto [stop, failed] = std::from_chars(node.text.data(), end, out);
        if (!node.is_text() || failed != std::errc{} || stop != end)
            refuse(node.at, fmt::format("{}: a whole number is expected", path));
        return out;
    }
    bool is_text(const Node& node, const std::string& path) {
        if (node.is_text()) return true;
        refuse(node.at, fmt::format("{}: a text is expected, got {}", path, node.kind_text()));
        return false;
    }
    Node number(const Node& node, const std::string& path) { return make_integer(integer(node, path), node.at); }

    Vars vars_of(const Node& table, Vars outer) {
        const Node* const vars = table.find("vars");
        if (vars == nullptr) return outer;
        if (!vars->is_table()) refuse(vars->at, "vars: a map is expected");
        for (const Member& each : vars->members)
            if (is_text(each.value, "vars." + base::shortened(each.key))) outer[each.key] = each.value.text;
        return outer;
    }

    /// `{{.X}}` of declared X; others, such as docker's, are the program's.
    std::string with_vars(const Node& node, const Vars& vars) {
        std::string out;
        std::string_view rest = node.text;
        for (std::size_t end; (end = rest.find("}}")) != std::string_view::npos; rest.remove_prefix(end + 2)) {
            const std::size_t begin = rest.substr(0, end).rfind("{{");
            std::string_view name = begin == std::string_view::npos ? "" : rest.substr(begin + 2, end - begin - 2);
            while (name.starts_with(' ')) name.remove_prefix(1);
            while (name.ends_with(' ')) name.remove_suffix(1);
            const auto var = name.starts_with('.') ? vars.find(name.substr(1)) : vars.end();
            if (var == vars.end()) {
                out += rest.substr(0, end + 2);
                continue;
            }
            if (bytes_of_vars_ > most_bytes_of_vars) return {};
            bytes_of_vars_ += var->second.size();
            if (bytes_of_vars_ > most_bytes_of_vars)
                refuse(node.at, fmt::format("up to here vars stand for more than {} MiB", most_bytes_of_vars >> 20));
            out += rest.substr(0, begin);
            out += var->second;
        }
        out += rest;
        return out;
    }

    /// A command: `$` is the shell's, which comes to the same and puts no value into it.
    Node shell_text(const Node& node, const Vars& vars) {
        Node out = make_text({}, node.at);
        out.is_literal = true;
        const std::string text = with_vars(node, vars);
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text.substr(i, 2) == "$$") ++i;
            out.text += text[i];
        }
        return out;
    }

    /// A value that no shell sees: `$X` and `${X}` are the reader's, and ours are of another form.
    Node value_text(const Node& node, const Vars& vars) {
        const std::string text = with_vars(node, vars);
        std::string out;
        for (std::size_t at = 0; at < text.size();) {
            const std::string_view rest = std::string_view(text).substr(at);
            if (!rest.starts_with('$')) {
                out += text[at++];
                continue;
            }
            if (rest.starts_with("$$")) {
                out += rest.substr(2).starts_with('{') ? "$$" : "$";
                at += 2;
                continue;
            }
            const bool has_brace = rest.starts_with("${");
            std::size_t end = has_brace ? 2 : 1;
            while (end < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[end])) != 0 || rest[end] == '_'))
                ++end;
            const std::string_view name = rest.substr(has_brace ? 2 : 1, end - (has_brace ? 2 : 1));
            const bool is_variable = !name.empty() && (!has_brace || rest.substr(end).starts_with('}'));
            if (is_variable) {
                out += fmt::format("${{env.{}:-}}", name);
                at += end + (has_brace ? 1 : 0);
            } else {
                out += text[at++];
            }
        }
        return make_text(std::move(out), node.at);
    }

    void read_shell(const Node& root) {
        const Node* const shell = root.find("shell");
        if (shell == nullptr) return;
        if (const Node* const command = shell->find("shell_command")) shell_ = {command->text};
        if (const Node* const argument = shell->find("shell_argument")) shell_.push_back(argument->text);
        if (shell_.size() != 2) {
            refuse(shell->at, "shell: shell_command and shell_argument are expected");
            shell_ = {"bash", "-c"};
        }
    }
    /// The words by which that program has a shell run it.
    Node shell_command(const Node& text, const Vars& vars) {
        Node out = make_list(text.at);
        for (const auto& word : shell_) {
            out.items.push_back(make_text(word, text.at));
            out.items.back().is_literal = true;
        }
        out.items.push_back(shell_text(text, vars));
        return out;
    }

    /// .env is read where it is, and what is named besides.
    Node environment_files(const Node& table) {
        Node out = make_list(table.at);
        Node standard = make_table(table.at);
        add_member(standard, "path", make_text(".env", table.at));
        add_member(standard, "required", make_boolean(false, table.at));
        out.items.push_back(std::move(standard));
        append_files(table, out);
        return out;
    }
    void append_files(const Node& table, Node& to) {
        const Node* const given = table.find("env_file");
        if (given == nullptr) return;
        if (given->is_text()) to.items.push_back(make_text(given->text, given->at));
        for (const Node& each : given->items)
            if (is_text(each, "env_file")) to.items.push_back(make_text(each.text, each.at));
    }

    /// A list of "K=V", or a map.
    Node environment(const Node& from, const Vars& vars) {
        Node out = make_table(from.at);
        std::map<std::string, std::size_t> places;
        const auto add = [&](const std::string& name, Node value) {
            const auto [place, is_new] = places.emplace(name, out.members.size());
            if (is_new)
                add_member(out, name, std::move(value));
            else
                out.members[place->second].value = std::move(value);
        };
        for (const Member& each : from.members)
            if (is_text(each.value, "environment." + base::shortened(each.key)))
                add(each.key, value_text(each.value, vars));
        for (const Node& each : from.items) {
            const std::size_t equals = each.text.find('=');
            if (!each.is_text() || equals == std::string::npos) {
                refuse(each.at, "environment: NAME=VALUE is expected");
                continue;
            }
            Node value = each;
            value.text = each.text.substr(equals + 1);
            add(each.text.substr(0, equals), value_text(value, vars));
        }
        if (!from.is_table() && !from.is_list()) refuse(from.at, "environment: a list of NAME=VALUE is expected");
        return out;
    }

    /// Who is waited for to end is one that ends.
    void find_waited_for(const Node& processes) {
        for (const Member& process : processes.members) {
            const Node* const edges = process.value.find("depends_on");
            if (edges == nullptr) continue;
            for (const Member& edge : edges->members)
                if (const Node* const condition = edge.value.find("condition"))
                    if (condition->text.starts_with("process_completed")) ending_.push_back(edge.key);
        }
    }

    Node process(const Member& from, const Vars& outer) {
        const std::string path = "processes." + base::shortened(from.key);
        const Node& given = from.value;
        Node out = make_table(from.at);
        if (!given.is_table()) {
            refuse(given.at, path + ": a map is expected");
            return out;
        }
        check_keys(given, entry_keys, path);
        const Vars vars = vars_of(given, outer);
        add_command(given, vars, path, out);
        if (const Node* const directory = given.find("working_dir"))
            if (is_text(*directory, path + ".working_dir")) add_member(out, "cwd", value_text(*directory, vars));
        if (const Node* const env = given.find("environment")) add_member(out, "env", environment(*env, vars));
        if (given.find("env_file") != nullptr) {
            Node files = make_list(given.find("env_file")->at);
            append_files(given, files);
            add_member(out, "env_file", std::move(files));
        }
        if (const Node* const edges = given.find("depends_on"))
            add_member(out, "depends_on", dependencies(*edges, path));
        add_checks(given, vars, path, out);
        if (const Node* const availability = given.find("availability")) add_restart(*availability, path, out);
        if (const Node* const shutdown = given.find("shutdown")) add_shutdown(*shutdown, vars, path, out);
        if (const Node* const watch = given.find("watch")) add_watch(*watch, given.find("working_dir"), path, out);
        if (const Node* const codes = given.find("success_exit_codes")) {
            Node list = make_list(codes->at);
            for (const Node& each : codes->items) list.items.push_back(number(each, path + ".success_exit_codes"));
            add_member(out, "success_codes", std::move(list));
        }
        for (const char* const key : {"disabled", "is_disabled"})
            if (const Node* const disabled = given.find(key))
                if (flag(*disabled, path + "." + key) && out.find("autostart") == nullptr)
                    add_member(out, "autostart", make_boolean(false, disabled->at));
        if (const Node* const tty = given.find("is_tty"))
            add_member(out, "tty", make_boolean(flag(*tty, path + ".is_tty"), tty->at));
        const Node* const daemon = given.find("is_daemon");
        const bool is_daemon = daemon != nullptr && flag(*daemon, path + ".is_daemon");
        if (is_daemon || std::find(ending_.begin(), ending_.end(), from.key) != ending_.end()) {
            add_member(out, "oneshot", make_boolean(true, daemon != nullptr ? daemon->at : from.at));
            end_restarts(path, out);
        }
        if (const Node* const text = given.find("description"))
            if (is_text(*text, path + ".description")) {
                add_member(out, "description", make_text(with_vars(*text, vars), text->at)).is_literal = true;
            }
        if (const Node* const replicas = given.find("replicas"))
            if (integer(*replicas, path + ".replicas") > 1)
                refuse(replicas->at, path + ".replicas: nothing here shares a port; define a process for each");
        add_to_group(given, from.key, path);
        return out;
    }

    void add_command(const Node& given, const Vars& vars, const std::string& path, Node& out) {
        const Node* const entrypoint = given.find("entrypoint");
        const Node* const command = given.find("command");
        if (entrypoint != nullptr && entrypoint->is_list()) {
            Node words = make_list(entrypoint->at);
            for (const Node& each : entrypoint->items)
                if (is_text(each, path + ".entrypoint")) words.items.push_back(shell_text(each, vars));
            add_member(out, "run", std::move(words));
        } else if (command != nullptr && is_text(*command, path + ".command")) {
            add_member(out, "run", shell_command(*command, vars));
        }
    }

    Node dependencies(const Node& edges, const std::string& process) {
        constexpr std::pair<std::string_view, std::string_view> conditions[] = {
            {"process_started", "started"},
            {"process_healthy", "ready"},
            {"process_log_ready", "ready"},
            {"process_completed", "ended"},
            {"process_completed_successfully", "done"}};
        const std::string path = process + ".depends_on";
        Node out = make_table(edges.at);
        if (!edges.is_table()) refuse(edges.at, path + ": a map is expected");
        for (const Member& edge : edges.members) {
            const Node* const given = edge.value.find("condition");
            const std::string word = given != nullptr ? given->text : "process_started";
            const auto known = std::find_if(std::begin(conditions), std::end(conditions),
                                            [&word](const auto& each) { return each.first == word; });
            if (known == std::end(conditions)) {
                std::vector<std::string> words;
                for (const auto& each : conditions) words.emplace_back(each.first);
                refuse(given->at, fmt::format("{}.{}.condition: {} is not one of {}", path, base::shortened(edge.key),
                                              base::quote(base::shortened(word)), fmt::join(words, ", ")));
                continue;
            }
            Node table = make_table(edge.at);
            add_member(table, "until", make_text(std::string(known->second), edge.at));
            add_member(out, cleaned_name(edge.key), std::move(table));
        }
        return out;
    }

    void add_checks(const Node& given, const Vars& vars, const std::string& path, Node& out) {
        Node ready = make_list(given.at);
        if (const Node* const probe = given.find("readiness_probe")) {
            ready.at = probe->at;
            ready.items.push_back(check(*probe, vars, path + ".readiness_probe", false));
        }
        if (const Node* const line = given.find("ready_log_line"))
            if (is_text(*line, path + ".ready_log_line")) {
                ready.at = line->at;
                Node table = make_table(line->at);
                // That program looks for the text as it is.
                add_member(table, "log", make_text(quoted_pattern(with_vars(*line, vars)), line->at)).is_literal = true;
                ready.items.push_back(std::move(table));
            }
        if (!ready.items.empty()) add_member(out, "ready", std::move(ready));
        if (const Node* const probe = given.find("liveness_probe"))
            add_member(out, "health", check(*probe, vars, path + ".liveness_probe", true));
    }

    static std::string quoted_pattern(std::string_view text) {
        std::string out;
        for (const char c : text) {
            if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
            out += c;
        }
        return out;
    }

    Node check(const Node& probe, const Vars& vars, const std::string& path, bool is_health) {
        Node out = make_table(probe.at);
        check_keys(probe, probe_keys, path);
        const Node* const exec = probe.find("exec");
        const Node* const http = probe.find("http_get");
        if (exec != nullptr)
            add_exec(*exec, vars, path + ".exec", out);
        else if (http != nullptr)
            add_member(out, "http", url(*http, vars, path + ".http_get"));
        else
            refuse(probe.at, path + ": exec or http_get is expected");
        constexpr std::pair<const char*, const char*> times[] = {{"initial_delay_seconds", "initial_delay"},
                                                                 {"period_seconds", "period"},
                                                                 {"timeout_seconds", "probe_timeout"},
                                                                 {"success_threshold", "successes"}};
        for (const auto& [theirs, ours] : times) add_number(probe, theirs, ours, path, out);
        // A start may take its time: of readiness no number of failures says anything.
        if (is_health) add_number(probe, "failure_threshold", "failures", path, out);
        return out;
    }
    void add_number(const Node& from, const std::string& theirs, const char* ours, const std::string& path, Node& out) {
        const Node* const given = from.find(theirs);
        if (given == nullptr) return;
        Node value = number(*given, path + "." + theirs);
        // 0 stands for what is usual.
        if (value.integer != 0) add_member(out, ours, std::move(value));
    }
    void add_exec(const Node& exec, const Vars& vars, const std::string& path, Node& out) {
        check_keys(exec, exec_keys, path);
        const Node* const command = exec.find("command");
        if (command == nullptr) return refuse(exec.at, path + ".command: required");
        if (!is_text(*command, path + ".command")) return;
        Node words = shell_command(*command, vars);
        if (const Node* const directory = exec.find("working_dir"))
            words.items.back().text =
                fmt::format("cd {} && {}", base::shell_quote(with_vars(*directory, vars)), words.items.back().text);
        add_member(out, "command", std::move(words));
    }
    Node url(const Node& http, const Vars& vars, const std::string& path) {
        check_keys(http, http_keys, path);
        const auto value = [&](const char* key, std::string standard) {
            const Node* const given = http.find(key);
            return given != nullptr && given->is_text() ? with_vars(*given, vars) : standard;
        };
        const std::string host = value("host", "localhost");
        const bool is_here = host == "0.0.0.0" || host == "::1";
        std::string port = value("port", value("num_port", ""));
        if (!port.empty()) port.insert(0, ":");
        const std::string text =
            fmt::format("{}://{}{}{}", value("scheme", "http"), is_here ? "localhost" : host, port, value("path", "/"));
        return make_text(text, http.at);
    }

    /// What has done its work has nothing to be run again for.
    void end_restarts(const std::string& path, Node& process) {
        Node* const restart = process.find("restart");
        Node* const policy = restart != nullptr ? restart->find("policy") : nullptr;
        if (policy == nullptr || policy->text != "always") return;
        policy->text = "on-failure";
        add_problem(notes_, restart->at, path + ".availability.restart: it is run again until it has succeeded once");
    }

    void add_restart(const Node& availability, const std::string& process, Node& out) {
        const std::string path = process + ".availability";
        check_keys(availability, availability_keys, path);
        std::string policy = "never";
        if (const Node* const restart = availability.find("restart")) {
            constexpr std::pair<std::string_view, std::string_view> words[] = {{"no", "never"},
                                                                               {"never", "never"},
                                                                               {"on_failure", "on-failure"},
                                                                               {"always", "always"},
                                                                               {"exit_on_failure", "never"},
                                                                               {"exit_on_end", "never"},
                                                                               {"on-failure", "on-failure"}};
            const auto known = std::find_if(std::begin(words), std::end(words),
                                            [&](const auto& each) { return each.first == restart->text; });
            if (known == std::end(words))
                return refuse(restart->at,
                              fmt::format("{}.restart: {} is not one of no, on_failure, always, exit_on_failure", path,
                                          base::quote(base::shortened(restart->text))));
            policy = known->second;
            if (known->first.starts_with("exit_on"))
                add_problem(notes_, restart->at, path + ".restart: the others run on when it ends");
        }
        Node table = make_table(availability.at);
        add_member(table, "policy", make_text(policy, availability.at));
        if (const Node* const backoff = availability.find("backoff_seconds")) {
            // Its pause does not grow.
            add_member(table, "delay", number(*backoff, path + ".backoff_seconds"));
            add_member(table, "max_delay", number(*backoff, path + ".backoff_seconds"));
        }
        add_number(availability, "max_restarts", "max", path, table);
        add_member(out, "restart", std::move(table));
    }

    void add_shutdown(const Node& shutdown, const Vars& vars, const std::string& process, Node& out) {
        const std::string path = process + ".shutdown";
        check_keys(shutdown, shutdown_keys, path);
        if (const Node* const command = shutdown.find("command"))
            if (is_text(*command, path + ".command")) add_member(out, "stop_command", shell_command(*command, vars));
        if (const Node* const signal = shutdown.find("signal")) {
            const auto known = integer(*signal, path + ".signal");
            if (known != 0) add_member(out, "stop_signal", make_text(std::to_string(known), signal->at));
        }
        if (const Node* const timeout = shutdown.find("timeout_seconds"))
            add_member(out, "grace", number(*timeout, path + ".timeout_seconds"));
    }

    /// Roots below the process's directory, each with patterns of its own. Here all patterns are below the file's.
    void add_watch(const Node& watch, const Node* directory, const std::string& process, Node& out) {
        const std::string path = process + ".watch";
        if (!watch.is_table()) return refuse(watch.at, path + ": a map is expected");
        check_keys(watch, watch_keys, path);
        Node paths = make_list(watch.at), ignore = make_list(watch.at);
        const Node* const roots = watch.find("paths");
        if (roots == nullptr || !roots->is_list()) return refuse(watch.at, path + ".paths: a list is expected");
        for (const Node& each : roots->items) {
            const Node* const given = each.is_table() ? each.find("path") : nullptr;
            if (given == nullptr || !is_text(*given, path + ".paths.path"))
                return refuse(each.at, path + ".paths: a map with a path is expected");
            check_keys(each, watch_path_keys, path + ".paths");
            const std::string base = directory != nullptr ? directory->text : std::string();
            std::string root = (std::filesystem::path(base) / given->text).lexically_normal().generic_string();
            while (root.size() > 1 && root.ends_with('/')) root.pop_back();
            const bool is_told = root.find_first_of("${") == std::string::npos;
            if (!is_told || root.starts_with('/') || root.starts_with("..")) {
                add_problem(notes_, each.at, path + ".paths: nothing outside of the file's directory is watched");
                continue;
            }
            const std::string below = root == "." ? std::string() : root + "/";
            const Node *const include = each.find("include"), *const exclude = each.find("exclude");
            if (include == nullptr) add_pattern(paths, below + "**", each.at);
            // It may be a file.
            if (include == nullptr && !below.empty()) add_pattern(paths, root, each.at);
            add_patterns(include, below, true, path, paths);
            add_patterns(exclude, below, false, path, ignore);
        }
        if (paths.items.empty()) return;
        Node table = make_table(watch.at);
        add_member(table, "paths", std::move(paths));
        const Node* const all = watch.find("disable_default_excludes");
        const bool keeps_all = all != nullptr && flag(*all, path + ".disable_default_excludes");
        if (keeps_all) add_member(table, "defaults", make_boolean(false, all->at));
        if (!keeps_all)
            for (const char* const each : more_excludes) add_pattern(ignore, each, watch.at);
        add_member(table, "ignore", std::move(ignore));
        add_member(table, "gitignore", make_boolean(false, watch.at));
        if (const Node* const pause = watch.find("debounce"))
            if (is_text(*pause, path + ".debounce")) add_member(table, "debounce", make_text(pause->text, pause->at));
        add_member(out, "watch", std::move(table));
    }
    static void add_pattern(Node& to, std::string pattern, Place at) {
        to.items.push_back(make_text(std::move(pattern), at));
        to.items.back().is_literal = true;
    }
    /// One without a slash is of names, at any depth.
    void add_patterns(const Node* given, const std::string& below, bool are_paths, const std::string& path, Node& to) {
        if (given == nullptr) return;
        for (const Node& each : given->items) {
            if (!is_text(each, path + ".paths")) continue;
            const bool is_name = each.text.find('/') == std::string::npos;
            const std::string names = are_paths && !below.empty() ? below + "**/" : std::string();
            add_pattern(to, (is_name ? names : below) + each.text, each.at);
        }
    }

    void add_to_group(const Node& given, const std::string& name, const std::string& path) {
        const Node* const group = given.find("namespace");
        if (group == nullptr || !is_text(*group, path + ".namespace") || group->text == "default") return;
        const std::string group_name = cleaned_name(group->text);
        Node* list = groups_.find(group_name);
        if (list == nullptr) list = &add_member(groups_, group_name, make_list(group->at));
        list->items.push_back(make_text(cleaned_name(name), group->at));
    }

    Problems& problems_;
    Problems& notes_;
    std::vector<std::string> shell_{"bash", "-c"};
    std::vector<std::string> ending_;
    Node groups_ = make_table({});
    std::size_t bytes_of_vars_ = 0;  // that have been put in
};

}  // namespace

std::optional<Node> read_process_compose(const Node& root, Problems& problems, Problems& notes) {
    const std::size_t before = problems.size();
    if (!is_within_bounds(root)) {
        add_problem(problems, root.at, fmt::format("a map or list with more than {} members", most_members));
        return std::nullopt;
    }
    Node out = Reader(problems, notes).read(root);
    if (problems.size() > before) return std::nullopt;
    return out;
}

}  // namespace persistproc::project
