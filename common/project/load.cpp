#include "common/project/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/base/text.hpp"
#include "common/domain/health.hpp"
#include "common/domain/quotes.hpp"
#include "common/logstore/search.hpp"
#include "common/project/foreign.hpp"
#include "common/project/graph.hpp"
#include "common/project/parts.hpp"
#include "common/project/references.hpp"
#include "common/schema/codec.hpp"
#include "common/watch/glob.hpp"

namespace persistproc::project {

namespace {

struct Reserved {
    std::string_view key, why;
};
constexpr Reserved reserved_keys[] = {
    {"replicas", "nothing here shares a port; define a process for each"},
    {"extends", "what processes have in common stands in [defaults]"},
    {"schedule",
     "nothing is run by the clock; a timer does: systemd-run --user --on-calendar=daily persistproc start …"},
    {"cron", "nothing is run by the clock; a timer does: systemd-run --user --on-calendar=daily persistproc start …"},
    {"scope", "a process belongs to one working copy"}};
constexpr std::string_view own_keys[] = {"run", "depends_on", "port"};  // not in [defaults]

/// Everything else is listed, or, as a file's name, said where the file is missing.
Values values_in(std::string_view key) { return key == "env" ? Values::allowed : Values::refused; }

std::vector<std::string> process_keys() {
    std::vector<std::string> out;
    for (const auto& each : schema::detail::object_codec<Process>().fields) out.emplace_back(each.facts.key);
    return out;
}

constexpr std::size_t most_groups = 256;
// What each process has of its own may be much more than the files hold: their defaults, their variables, and what
// references stand for. In all, with what it takes to hold it.
constexpr std::size_t most_held_bytes = 32u << 20;
constexpr std::size_t bytes_of_variable = 96;  // beside its name and value

std::size_t held_bytes(const Node& node) {
    std::size_t out = sizeof(Member) + node.text.size();
    for (const Node& each : node.items) out += held_bytes(each);
    for (const Member& each : node.members) out += each.key.size() + held_bytes(each.value);
    return out;
}

/// A process on its way: its members with those of [defaults], and whose file it stands in.
struct Draft {
    const Part* part = nullptr;
    Place at;
    Node node;
    Process process;
};

class Loader {
public:
    Loader(const std::string& file, const Lookups& lookups) : file_(file), lookups_(lookups), sources_(lookups, out_) {}

    Loaded load() {
        parts_ = read_parts(file_, lookups_, sources_, out_);
        if (parts_.empty()) return std::move(out_);
        project_.file = file_;
        project_.root = root_directory();
        read_name();
        make_drafts();
        ask_for_ports();
        for (auto& each : drafts_) {
            if (is_over()) return std::move(out_);
            if (!full_at_) read_process(each);
        }
        if (full_at_) {
            refuse(*full_at_, fmt::format("up to here the processes come to more than {} MiB, with their defaults, "
                                          "variables and what references stand for",
                                          most_held_bytes >> 20));
            return std::move(out_);
        }
        for (auto& each : drafts_) project_.processes.push_back(std::move(each.process));
        check_graph();
        read_groups();
        std::stable_sort(out_.problems.begin(), out_.problems.end(),
                         [](const Problem& a, const Problem& b) { return a.at < b.at; });
        if (out_.problems.empty() && !is_over()) out_.project = std::move(project_);
        return std::move(out_);
    }

private:
    bool is_over() const { return lookups_.is_over && lookups_.is_over(); }
    void refuse(Place at, std::string what) { add_problem(out_.problems, at, std::move(what)); }
    /// Whether there is room for so much more.
    bool may_hold(std::size_t bytes, Place at) {
        held_bytes_ += bytes;
        if (held_bytes_ > most_held_bytes && !full_at_) full_at_ = at;
        return !full_at_;
    }
    static std::string path_of(const Draft& draft) { return "process." + draft.process.name; }

    /// .claude/launch.json speaks of the directory above its own.
    std::string root_directory() const {
        constexpr std::string_view hidden = "/.claude";
        const std::string& own = parts_.front().directory;
        return own.ends_with(hidden) ? own.substr(0, own.size() - hidden.size()) : own;
    }
    const std::string& base_of(const Part& part) const {
        return &part == &parts_.front() ? project_.root : part.directory;
    }

    void read_name() {
        project_.name = lookups_.name;
        const Node* const name = parts_.front().root.find("name");
        if (name == nullptr) return;
        const auto is_fine = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                   c == '-' || c == '@';
        };
        const bool is_name = name->is_text() && !name->text.empty() && name->text.size() <= 63 &&
                             std::all_of(name->text.begin(), name->text.end(), is_fine) && name->text.front() != '-';
        if (!is_name)
            return refuse(name->at, "name: letters, digits, \"_\", \".\", \"-\" and \"@\" are expected, at most 63");
        project_.name = name->text;
    }

    void make_drafts() {
        for (const Part& part : parts_) {
            const Node defaults = defaults_of(part);
            const std::size_t size_of_defaults = held_bytes(defaults);
            const Node* const processes = part.root.find("process");
            if (processes == nullptr || !processes->is_table()) continue;
            for (const Member& each : processes->members) {
                if (is_over()) return;
                if (!each.value.is_table()) continue;  // told already
                if (!may_hold(size_of_defaults, each.at)) return;
                Draft& draft = drafts_.emplace_back();
                draft.part = &part;
                draft.at = each.at;
                draft.node = defaults;
                draft.node.at = each.value.at;
                lay_over(draft.node, each.value);
                draft.process.name = each.key;
                draft.process.base_directory = base_of(part);
                check_keys(each.value, path_of(draft));
            }
        }
        if (drafts_.size() > most_processes)
            refuse(drafts_[most_processes].at, fmt::format("more than {} processes in all", most_processes));
        if (drafts_.empty() && out_.problems.empty())
            refuse({}, kind_of(file_) == FileKind::own ? "there is no process in it: [process.NAME]"
                                                       : "there is no process in it");
        if (drafts_.size() > most_processes) drafts_.resize(most_processes);
    }

    Node defaults_of(const Part& part) {
        const Node* const found = part.root.find("defaults");
        if (found == nullptr) return make_table({});
        if (!found->is_table()) {
            refuse(found->at, "defaults: a table is expected");
            return make_table({});
        }
        check_keys(*found, "defaults");
        for (const Member& each : found->members)
            if (std::find(std::begin(own_keys), std::end(own_keys), each.key) != std::end(own_keys))
                refuse(each.at, fmt::format("defaults.{}: each process has its own", each.key));
        return *found;
    }

    void check_keys(const Node& table, const std::string& path) {
        static const std::vector<std::string> known = process_keys();
        for (const Member& each : table.members) {
            if (std::find(known.begin(), known.end(), each.key) != known.end()) continue;
            const auto reserved = std::find_if(std::begin(reserved_keys), std::end(reserved_keys),
                                               [&each](const Reserved& r) { return r.key == each.key; });
            refuse(each.at,
                   fmt::format("{}.{}: {}", path, base::shortened(each.key),
                               reserved != std::end(reserved_keys) ? std::string(reserved->why)
                                                                   : schema::detail::no_such_key(each.key, known)));
        }
    }

    /// Before anything is replaced: a process may name ports of others, and its own.
    void ask_for_ports() {
        for (Draft& draft : drafts_) {
            values_.ports[draft.process.name];
            const Node* const node = draft.node.find("port");
            if (node == nullptr || !is_within_bounds(*node)) continue;  // which is told with all of it
            const std::string path = path_of(draft) + ".port";
            auto wishes = ports_form.read(to_json(*node), path);
            if (wishes)
                draft.process.ports = std::move(*wishes);
            else
                refuse(place_of(*node, path, wishes.error().message), wishes.error().message);
        }
        // What others may choose is not what one insists on.
        for (const bool is_exact : {true, false})
            for (Draft& draft : drafts_)
                for (const auto& wish : draft.process.ports)
                    if ((wish.kind == PortWish::Kind::exactly) == is_exact) ask_for_port(draft, wish);
        values_.project_name = project_.name;
        values_.project_root = project_.root;
        values_.variable = lookups_.variable;
        values_.leaves_variables = lookups_.leaves_variables;
        values_.is_over = lookups_.is_over;
    }

    void ask_for_port(Draft& draft, const PortWish& wish) {
        const std::string path = path_of(draft) + ".port";
        const auto number = lookups_.port(draft.process.name, wish);
        if (!number) return refuse(place_in(draft, "port"), fmt::format("{}: {}", path, number.error().message));
        draft.process.port_numbers[wish.name] = *number;
        values_.ports[draft.process.name][wish.name] = *number;
        if (wish.kind != PortWish::Kind::exactly) return;
        const auto [first, is_only] = exact_ports_.emplace(*number, draft.process.name);
        if (is_only) return;
        const std::string what = fmt::format("{}: {} is also {}'s", path, *number, first->second);
        // Such a file may name programs of which one runs at a time.
        if (kind_of(file_) == FileKind::launch_json)
            add_problem(out_.notes, place_in(draft, "port"), what + ": one of them runs at a time");
        else
            refuse(place_in(draft, "port"), what + R"(; one of them may say "auto")");
    }

    void replace_in(Node& node, Values values, const std::string& path) {
        if (node.is_text() && !node.is_literal) {
            auto replaced = replace_references(node.text, values_, values);
            if (replaced && *replaced != node.text && !may_hold(replaced->size(), node.at)) return;
            if (replaced)
                node.text = std::move(*replaced);
            else
                refuse(node.at, fmt::format("{}: {}", path, replaced.error().message));
        }
        for (Node& each : node.items) replace_in(each, values, path);
        for (Member& each : node.members) replace_in(each.value, values, path);
    }

    void read_process(Draft& draft) {
        const auto& codec = schema::detail::object_codec<Process>();
        const std::string prefix = path_of(draft) + ".";
        const std::size_t before = out_.problems.size();
        if (!is_within_bounds(draft.node))
            return refuse(draft.at,
                          fmt::format("{}: a table or list with more than {} members", path_of(draft), most_members));
        for (Member& each : draft.node.members)
            if (each.key != "port") replace_in(each.value, values_in(each.key), prefix + each.key);
        // What could not be replaced would be refused once more; where no more is collected nothing tells.
        if (out_.problems.size() > before || before >= most_problems) return;
        for (const auto& field : codec.fields) {
            const Node* const node = draft.node.find(field.facts.key);
            const bool is_read = std::string_view(field.facts.key) == "port";  // before all others
            if (node == nullptr || is_read) continue;
            const auto done = schema::detail::read_field(codec, field, to_json(*node), prefix,
                                                         {schema::in_files, false}, &draft.process);
            if (!done) refuse(place_of(*node, prefix + field.facts.key, done.error().message), done.error().message);
        }
        if (draft.node.find("run") == nullptr) refuse(draft.at, path_of(draft) + ".run: required: the command");
        if (out_.problems.size() > before) return;
        finish_command(draft);
        finish_paths(draft);
        if (draft.process.oneshot && draft.process.restart.policy == domain::RestartPolicy::always)
            refuse_key(draft, "restart",
                       "always would run a oneshot again when it is done; \"on-failure\" until it is, or \"never\"");
        finish_restart(draft.process);
        finish_input(draft);
        draft.process.definition.log_limit_bytes = draft.process.log_limit_bytes;
        finish_watch(draft);
        finish_checks(draft);
        finish_environment(draft);
    }

    Place place_in(const Draft& draft, std::string_view key) const {
        const Node* const node = draft.node.find(key);
        return node == nullptr ? draft.at : node->at;
    }
    void refuse_key(const Draft& draft, std::string_view key, std::string_view why) {
        refuse(place_in(draft, key), fmt::format("{}.{}: {}", path_of(draft), key, why));
    }

    void finish_command(Draft& draft) {
        Process& process = draft.process;
        const bool is_text = draft.node.find("run")->is_text();
        auto& command = process.definition.command;
        if (is_text && !process.shell.empty()) {
            // /bin/sh is what the core runs by itself.
            if (process.shell == "sh")
                process.definition.shell = true;
            else
                command = {process.shell, "-c", command.front()};
        } else if (is_text) {
            if (auto closed = domain::check_quotes(command.front()); !closed)
                return refuse_key(draft, "run", closed.error().message);
            auto typed = domain::read_typed_command(command.front());
            command = std::move(typed.command);
            process.definition.shell = typed.shell;
        } else if (!process.shell.empty()) {
            return refuse_key(draft, "shell", "run is a list of words, which no shell reads");
        }
        if (auto fits = domain::check_command(command); !fits) refuse_key(draft, "run", fits.error().message);
        const Node* const stop = draft.node.find("stop_command");
        if (stop == nullptr) return;
        if (stop->is_text()) {
            if (auto closed = domain::check_quotes(process.stop_command.front()); !closed)
                return refuse_key(draft, "stop_command", closed.error().message);
            auto typed = domain::read_typed_command(process.stop_command.front());
            process.stop_command = std::move(typed.command);
            process.stop_in_shell = typed.shell;
        }
        if (auto fits = domain::check_command(process.stop_command); !fits)
            refuse_key(draft, "stop_command", fits.error().message);
        process.definition.stop_command = process.stop_command;
        if (process.stop_in_shell) process.definition.stop_command = {"/bin/sh", "-c", process.stop_command.front()};
    }

    void finish_input(Draft& draft) {
        const Process& process = draft.process;
        auto& definition = draft.process.definition;
        if (process.tty && process.input) refuse_key(draft, "input", "tty is an input already; leave out one of both");
        if (definition.size && !process.tty) refuse_key(draft, "size", "is that of a terminal: tty = true");
        definition.input = process.tty ? domain::Input::tty : process.input ? domain::Input::pipe : domain::Input::none;
    }

    void finish_paths(Draft& draft) {
        auto& directory = draft.process.definition.working_directory;
        directory = joined_path(draft.process.base_directory, directory.empty() ? "." : directory);
        if (directory.size() > 4096 || directory.find('\0') != std::string::npos)
            refuse_key(draft, "cwd", "is no path of a directory");
    }

    void finish_watch(Draft& draft) {
        Process& process = draft.process;
        if (!process.watch) return;
        process.watch->directory = process.base_directory;
        for (const auto* const patterns : {&process.watch->paths, &process.watch->ignore})
            for (const auto& each : *patterns)
                if (auto glob = watch::Glob::parse(each); !glob) refuse_key(draft, "watch", glob.error().message);
        process.definition.watch = process.watch;
    }

    /// What is as usual is left to the daemon.
    static void finish_restart(Process& process) {
        const Restart usual, &restart = process.restart;
        Definition& into = process.definition;
        into.restart = restart.policy;
        if (process.success_codes != std::vector{0}) into.success_codes = process.success_codes;
        if (restart.policy == domain::RestartPolicy::never) return;
        into.restart_limit = restart.max;
        if (restart.healthy_after_seconds != usual.healthy_after_seconds)
            into.healthy_after_seconds = restart.healthy_after_seconds;
        if (restart.delay_seconds != usual.delay_seconds) into.restart_delay_seconds = restart.delay_seconds;
        if (restart.max_delay_seconds != usual.max_delay_seconds)
            into.max_restart_delay_seconds = restart.max_delay_seconds;
        into.never_codes = restart.never_codes;
    }

    void finish_checks(Draft& draft) {
        Process& process = draft.process;
        if (draft.node.find("ready") == nullptr && !process.oneshot)
            for (const auto& [name, number] : process.port_numbers) {
                domain::Check check;
                check.subject = domain::PortCheck{number};
                process.ready.push_back(std::move(check));
            }
        finish_checks_of(draft, "ready", process.ready);
        finish_checks_of(draft, "health", process.health);
        if (auto fine = domain::check_health(process.health); !fine) refuse_key(draft, "health", fine.error().message);
        process.definition.ready = process.ready;
        process.definition.health = process.health;
        for (const auto& edge : process.depends_on)
            if (edge.until == Condition::log) check_pattern(draft, "depends_on", edge.pattern);
    }

    void finish_checks_of(Draft& draft, std::string_view key, domain::Checks& checks) {
        for (auto& check : checks) {
            if (auto* const port = std::get_if<domain::PortCheck>(&check.subject)) own_port(draft, key, {}, port->port);
            if (auto* const http = std::get_if<domain::HttpCheck>(&check.subject)) {
                own_port(draft, key, http->path, http->port);
                if (!http->body.empty()) check_pattern(draft, key, http->body);
            }
            if (const auto* const log = std::get_if<domain::LogCheck>(&check.subject))
                check_pattern(draft, key, log->pattern);
            if (auto* const file = std::get_if<domain::FileCheck>(&check.subject))
                file->path = joined_path(draft.process.definition.working_directory, file->path);
            if (auto* const socket = std::get_if<domain::SocketCheck>(&check.subject))
                socket->path = joined_path(draft.process.definition.working_directory, socket->path);
        }
    }
    /// How each of them is said.
    static std::string which_port(const std::string& process, const PortNumbers& numbers, std::string_view path) {
        std::string all;
        for (const auto& [name, number] : numbers) {
            const std::string reference =
                name.empty() ? fmt::format("${{{}.port}}", process) : fmt::format("${{{}.port.{}}}", process, name);
            const std::string_view scheme = path.empty() ? "" : "http://localhost:";
            all += fmt::format("{}\"{}{}{}\"", all.empty() ? "" : " or ", scheme, reference, base::shortened(path));
        }
        return "which port? " + all;
    }
    /// `path`: of what is asked by HTTP; empty: nothing is.
    void own_port(const Draft& draft, std::string_view key, std::string_view path, std::optional<int>& port) {
        const auto& numbers = draft.process.port_numbers;
        if (port) return;
        if (numbers.empty())
            refuse_key(draft, key, "which port? Give the process the key port, or name a number");
        else if (numbers.size() > 1)
            refuse_key(draft, key, which_port(draft.process.name, numbers, path));
        else
            port = numbers.begin()->second;
    }
    void check_pattern(const Draft& draft, std::string_view key, const std::string& pattern) {
        const auto checked = lookups_.pattern ? lookups_.pattern(pattern) : project::check_pattern(pattern);
        if (!checked) refuse_key(draft, key, checked.error().message);
    }

    /// The file's own, then the process's; of each the files first.
    void finish_environment(Draft& draft) {
        Process& process = draft.process;
        domain::Environment all;
        const Node& root = draft.part->root;
        if (const Node* const files = root.find("env_file")) {
            if (auto read = top_value<std::vector<EnvironmentFile>>(*files, "env_file", environment_files_form))
                add_files(*read, files->at, "env_file", process.base_directory, all);
        }
        if (const Node* const env = root.find("env"))
            if (auto read = top_value<domain::Environment>(*env, "env", environment_form)) add(*read, all);
        add_files(process.environment_files, place_in(draft, "env_file"), path_of(draft) + ".env_file",
                  process.base_directory, all);
        add(process.environment, all);
        for (const auto& [name, number] : process.port_numbers) all[port_variable(name)] = std::to_string(number);
        std::size_t bytes = 0;
        for (const auto& [name, value] : all) bytes += name.size() + value.size() + bytes_of_variable;
        if (!may_hold(bytes, draft.at)) return;
        process.environment = std::move(all);
        for (const auto& name : process.unset_variables)
            if (!domain::is_variable_name(name)) refuse_key(draft, "unset_env", "a name is no variable's");
    }

    static void add(const domain::Environment& from, domain::Environment& into) {
        for (const auto& [name, value] : from) into[name] = value;
    }

    /// A key of the file itself, with its references replaced. It is read for each process: what is wrong is told once.
    template <class T>
    std::optional<T> top_value(Node node, const std::string& key, const schema::Form<T>& form) {
        const std::size_t before = out_.problems.size();
        const bool is_told = !told_.insert({node.at, key}).second;
        if (!is_within_bounds(node)) {
            if (!is_told) refuse(node.at, fmt::format("{}: more than {} members", key, most_members));
            return std::nullopt;
        }
        replace_in(node, values_in(key), key);
        auto value = out_.problems.size() == before ? form.read(to_json(node), key) : Result<T>(Error{});
        if (!value && out_.problems.size() == before)
            refuse(place_of(node, key, value.error().message), value.error().message);
        if (is_told) out_.problems.resize(before);
        return value ? std::optional(std::move(*value)) : std::nullopt;
    }

    void add_files(const std::vector<EnvironmentFile>& files, Place at, const std::string& key,
                   const std::string& directory, domain::Environment& into) {
        for (const auto& each : files) {
            if (is_over()) return;
            const std::string path = joined_path(directory, each.path);
            const auto file = sources_.read(path, true);
            const bool is_first = told_.insert({at, path}).second;
            if (!file) {
                const bool is_missing = file.error().code == ErrorCode::not_found;
                if (is_first && (each.required || !is_missing))
                    refuse(at, fmt::format("{}: {}", key, file.error().message));
                continue;
            }
            const config::VariableLookup outer = [&](const std::string& name) -> std::optional<std::string> {
                const auto earlier = into.find(name);
                if (earlier != into.end()) return earlier->second;
                return lookups_.variable ? lookups_.variable(name) : std::nullopt;
            };
            const bool expands = each.expand && !lookups_.leaves_variables;
            const auto variables = config::parse_environment_file(
                sources_.bytes(*file), path, expands ? outer : config::VariableLookup{}, lookups_.is_over);
            if (!variables) {
                if (is_first) refuse(at, fmt::format("{}: {}", key, variables.error().message));
                continue;
            }
            if (is_first && !each.expand) note_unexpanded(*variables, at, path);
            add(*variables, into);
        }
    }

    void note_unexpanded(const domain::Environment& variables, Place at, const std::string& path) {
        std::string names;
        for (const auto& [name, value] : variables)
            if (value.find("${") != std::string::npos) names += (names.empty() ? "" : ", ") + base::shortened(name);
        if (!names.empty())
            add_problem(out_.notes, at,
                        fmt::format("{}: \"${{\" stays as it is in {}; {{path = …, expand = true}} expands it",
                                    base::escape_line(path), names));
    }

    void check_graph() {
        for (const auto& each : settle_dependencies(project_.processes)) {
            const auto draft = std::find_if(drafts_.begin(), drafts_.end(),
                                            [&](const Draft& d) { return name_of(d) == each.process; });
            Place at = draft->at;
            if (const Node* const edges = draft->node.find("depends_on")) at = place_of_edge(*edges, each.dependency);
            refuse(at, fmt::format("process.{}.depends_on: {}", each.process, each.what));
        }
    }
    /// The process itself has been moved into the project.
    std::string_view name_of(const Draft& draft) const {
        return project_.processes[static_cast<std::size_t>(&draft - drafts_.data())].name;
    }
    static Place place_of_edge(const Node& edges, const std::string& name) {
        for (const Node& each : edges.items)
            if (each.text == name || each.text.starts_with(name + ":")) return each.at;
        const Member* const member = edges.find_member(name);
        return member == nullptr ? edges.at : member->at;
    }

    void read_groups() {
        std::map<std::string, const Node*> groups;
        for (const Part& part : parts_) {
            const Node* const table = part.root.find("groups");
            if (table == nullptr) continue;
            if (!table->is_table()) {
                refuse(table->at, "groups: a table is expected: NAME = [\"process\"]");
                continue;
            }
            for (const Member& each : table->members) {
                const bool is_process = project_.find(each.key) != nullptr;
                if (auto fits = check_process_name(each.key); !fits)
                    refuse(each.at, "groups: " + fits.error().message);
                else if (is_process)
                    refuse(each.at, fmt::format("groups.{}: a process has that name", each.key));
                else
                    groups.emplace(each.key, &each.value);
            }
        }
        if (groups.size() > most_groups)
            return refuse(groups.begin()->second->at, fmt::format("groups: more than {}", most_groups));
        for (const auto& each : groups) {
            std::vector<std::string> path;
            take_apart(each.first, groups, path);
        }
    }
    /// Into the project's groups, each once. False: a problem was added.
    bool take_apart(const std::string& name, const std::map<std::string, const Node*>& groups,
                    std::vector<std::string>& path) {
        if (project_.groups.contains(name)) return true;
        const Node& node = *groups.find(name)->second;
        const std::string shown = "groups." + name;
        if (std::find(path.begin(), path.end(), name) != path.end()) {
            refuse(node.at, fmt::format("{}: holds itself: {} -> {}", shown, fmt::join(path, " -> "), name));
            return false;
        }
        if (!node.is_list()) {
            refuse(node.at, shown + ": a list of processes and groups is expected");
            return false;
        }
        path.push_back(name);
        std::vector<std::string> members;
        const auto add_member = [&members](const std::string& process) {
            if (std::find(members.begin(), members.end(), process) == members.end()) members.push_back(process);
        };
        for (const Node& each : node.items) {
            if (is_over()) return false;
            if (each.is_text() && groups.contains(each.text)) {
                if (!take_apart(each.text, groups, path)) return false;
                for (const auto& process : project_.groups[each.text]) add_member(process);
            } else if (each.is_text() && project_.find(each.text) != nullptr) {
                add_member(each.text);
            } else {
                std::vector<std::string> known;
                for (const auto& process : project_.processes) known.push_back(process.name);
                for (const auto& group : groups) known.push_back(group.first);
                const std::string near = base::nearest_word(each.text, known);
                refuse(each.at,
                       fmt::format("{}: no process or group {}{}", shown, base::quote(base::shortened(each.text)),
                                   near.empty() ? "" : "; nearest: " + near));
                return false;
            }
        }
        path.pop_back();
        project_.groups[name] = std::move(members);
        return true;
    }

    const std::string& file_;
    const Lookups& lookups_;
    Loaded out_;
    Sources sources_;
    std::vector<Part> parts_;
    std::vector<Draft> drafts_;
    ReferenceValues values_;
    Project project_;
    std::map<int, std::string> exact_ports_;  // and the first process that insists on it
    std::set<std::pair<Place, std::string>> told_;
    std::size_t held_bytes_ = 0;
    std::optional<Place> full_at_;  // where it was more than may be
};

}  // namespace

std::string Loaded::text(const Problem& problem) const {
    // The file itself could not be read.
    if (problem.at.file >= files.size()) return problem.what;
    return fmt::format("{}:{}:{}: {}", base::escape_line(files[problem.at.file].path), problem.at.line,
                       problem.at.column, problem.what);
}

Error Loaded::error() const {
    Error out{ErrorCode::invalid, problems.empty() ? std::string() : text(problems.front())};
    if (problems.size() > 1) out.message += fmt::format("; and {} more: persistproc check", problems.size() - 1);
    return out;
}

Result<void> check_pattern(const std::string& pattern) {
    const auto compiled = logstore::LinePattern::compile(pattern, logstore::check_pattern_memory);
    if (!compiled) return compiled.error();
    return {};
}

Loaded load(const std::string& file, const Lookups& lookups) { return Loader(file, lookups).load(); }

}  // namespace persistproc::project
