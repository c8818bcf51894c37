#include "common/project/foreign.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/text.hpp"
#include "common/project/project.hpp"
#include "common/project/trees.hpp"

namespace persistproc::project {

const std::vector<std::string_view> known_files{
    "persistproc.toml", "process-compose.yaml", "process-compose.yml", "Procfile.dev",
    "Procfile",         ".claude/launch.json",  "package.json"};

FileKind kind_of(std::string_view path) noexcept {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (name.ends_with(".yaml") || name.ends_with(".yml")) return FileKind::process_compose;
    if (name.starts_with("Procfile")) return FileKind::procfile;
    if (name == "package.json") return FileKind::package_json;
    if (name.ends_with(".json")) return FileKind::launch_json;
    return FileKind::own;
}

std::string_view script_name(std::string_view file, const std::vector<std::string>& command) noexcept {
    return kind_of(file) == FileKind::package_json && !command.empty() ? command.back() : std::string_view();
}

std::string cleaned_name(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 63)) {
        const bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                             c == '.' || c == '-';
        out += is_fine ? c : '-';
    }
    return out;
}

namespace {

Node literal(std::string text, Place at) {
    Node out = make_text(std::move(text), at);
    out.is_literal = true;
    return out;
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }

/// foreman's `^([A-Za-z0-9_-]+):\s*(.+)$`; nothing: another line.
struct ProcfileLine {
    std::string_view name, command;
};
std::optional<ProcfileLine> find_entry(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = line.substr(0, colon);
    const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    std::string_view command = line.substr(colon + 1);
    while (!command.empty() && is_blank(command.front())) command.remove_prefix(1);
    while (!command.empty() && is_blank(command.back())) command.remove_suffix(1);
    return is_name && !command.empty() ? std::optional(ProcfileLine{name, command}) : std::nullopt;
}

/// Whether a command names its own port, and does not ask for ours: `-p 3000`, `--port=3000`.
bool names_own_port(std::string_view command) {
    if (command.find("$PORT") != std::string_view::npos || command.find("${PORT") != std::string_view::npos)
        return false;
    for (const std::string_view flag : {" -p ", " --port ", " --port="}) {
        const std::size_t at = command.find(flag);
        if (at == std::string_view::npos) continue;
        const std::size_t digit = at + flag.size();
        if (digit < command.size() && command[digit] >= '0' && command[digit] <= '9') return true;
    }
    return false;
}

}  // namespace

std::optional<int> port_in(std::string_view variable) noexcept {
    const char* const end = variable.data() + variable.size();
    int number = 0;
    const auto read = std::from_chars(variable.data(), end, number);
    const bool is_port = read.ec == std::errc{} && read.ptr == end && number > 0 && number < 65536;
    return is_port ? std::optional(number) : std::nullopt;
}

std::optional<Node> read_procfile(std::string_view text, std::uint32_t file, BasePort base, Problems& problems) {
    constexpr int step = 100;
    Node root = make_table({file, 1, 1});
    Node environment = make_table({file, 1, 1});
    add_member(environment, "path", literal(".env", {file, 1, 1}));
    add_member(environment, "required", make_boolean(false, {file, 1, 1}));
    Node files = make_list({file, 1, 1});
    files.items.push_back(std::move(environment));
    add_member(root, "env_file", std::move(files));
    Node processes = make_table({file, 1, 1});
    std::uint32_t line = 0;
    int port = base.number;
    // One more than there may be is refused by who reads on.
    while (!text.empty() && processes.members.size() <= most_processes) {
        const std::string_view whole = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(whole.size() + 1, text.size()));
        ++line;
        const auto entry = find_entry(whole);
        if (!entry) continue;
        const Place at{file, line, 1};
        if (processes.find(entry->name) != nullptr) {
            add_problem(problems, at, fmt::format("{} is there twice", base::quote(base::shortened(entry->name))));
            continue;
        }
        Node process = make_table(at);
        add_member(process, "run", literal(std::string(entry->command), at));
        add_member(process, "shell", literal("sh", at));
        if (entry->name == "release") {
            add_member(process, "oneshot", make_boolean(true, at));
            add_member(process, "autostart", make_boolean(false, at));
        }
        // Nobody says that it listens there.
        add_member(process, "ready", make_list(at));
        if (!names_own_port(entry->command) && port <= 65535)
            add_member(process, "port", base.is_said ? make_integer(port, at) : literal(fmt::format("{}+", port), at));
        port += step;
        add_member(processes, std::string(entry->name), std::move(process));
    }
    add_member(root, "process", std::move(processes));
    return root;
}

namespace {

class LaunchReader {
public:
    explicit LaunchReader(Problems& problems) : problems_(problems) {}

    Node read(const Node& configurations) {
        Node processes = make_table(configurations.at);
        for (const Node& each : configurations.items) {
            const Node* const name = each.find("name");
            if (name == nullptr || !name->is_text() || name->text.empty()) {
                add_problem(problems_, each.at, "a configuration needs a name");
                continue;
            }
            if (processes.members.size() > most_processes) break;
            const std::string cleaned = cleaned_name(name->text);
            if (processes.find(cleaned) != nullptr)
                add_problem(problems_, name->at, fmt::format("{} is there twice", base::quote(cleaned)));
            else
                add_member(processes, cleaned, process(each));
        }
        return processes;
    }

private:
    Node process(const Node& from) {
        Node out = make_table(from.at);
        add_member(out, "run", command(from));
        if (const Node* const cwd = from.find("cwd")) add_member(out, "cwd", in_workspace(*cwd));
        if (const Node* const env = from.find("env")) {
            Node copy = *env;
            for (Member& each : copy.members) each.value = in_workspace(each.value);
            add_member(out, "env", std::move(copy));
        }
        if (const Node* const port = from.find("port")) {
            const Node* const automatic = from.find("autoPort");
            const bool is_automatic = automatic != nullptr && automatic->flag;
            add_member(out, "port", is_automatic ? literal(fmt::format("{}+", port->integer), port->at) : Node(*port));
        }
        return out;
    }

    Node command(const Node& from) {
        Node out = make_list(from.at);
        const Node* const program = from.find("program");
        if (const Node* const executable = from.find("runtimeExecutable")) {
            out.at = executable->at;
            out.items.push_back(in_workspace(*executable));
            append(from, "runtimeArgs", out);
        } else if (program != nullptr) {
            out.at = program->at;
            out.items.push_back(literal("node", program->at));
        } else {
            add_problem(problems_, from.at, "a configuration needs runtimeExecutable or program");
        }
        if (program != nullptr) {
            out.items.push_back(in_workspace(*program));
            append(from, "args", out);
        }
        return out;
    }

    void append(const Node& from, std::string_view key, Node& to) {
        const Node* const words = from.find(key);
        if (words == nullptr) return;
        if (!words->is_list()) add_problem(problems_, words->at, fmt::format("{}: a list of texts is expected", key));
        for (const Node& each : words->items) to.items.push_back(in_workspace(each));
    }

    /// Paths are relative to the project's directory, which is the workspace.
    static Node in_workspace(Node node) {
        constexpr std::string_view variable = "${workspaceFolder}";
        std::string text;
        std::string_view rest = node.text;
        for (std::size_t at; (at = rest.find(variable)) != std::string_view::npos;) {
            text += rest.substr(0, at);
            text += '.';
            rest.remove_prefix(at + variable.size());
        }
        text += rest;
        node.is_literal = true;
        node.text = std::move(text);
        return node;
    }

    Problems& problems_;
};

}  // namespace

std::optional<Node> read_launch_json(std::string_view text, std::uint32_t file, Problems& problems) {
    auto tree = parse_json_tree(text, file, problems);
    if (!tree) return std::nullopt;
    const Node* const configurations = tree->find("configurations");
    if (configurations == nullptr || !configurations->is_list()) {
        add_problem(problems, tree->at, "configurations: a list is expected");
        return std::nullopt;
    }
    const std::size_t before = problems.size();
    Node root = make_table(tree->at);
    add_member(root, "process", LaunchReader(problems).read(*configurations));
    return problems.size() > before ? std::nullopt : std::optional(std::move(root));
}

std::optional<Node> read_package_json(std::string_view text, std::uint32_t file, std::string_view runner,
                                      Problems& problems, Problems& notes) {
    auto tree = parse_json_tree(text, file, problems);
    if (!tree) return std::nullopt;
    const Node* const scripts = tree->find("scripts");
    if (scripts != nullptr && !scripts->is_table()) {
        add_problem(problems, scripts->at, fmt::format("scripts: a table is expected, got {}", scripts->kind_text()));
        return std::nullopt;
    }
    Node processes = make_table(tree->at);
    for (const Member& each : scripts != nullptr ? scripts->members : std::vector<Member>{}) {
        const std::string name = cleaned_name(each.key);
        const auto fits = check_process_name(name);
        const std::string why = !fits                             ? fits.error().message
                                : processes.find(name) != nullptr ? fmt::format("{} is another's name", name)
                                : processes.members.size() >= most_processes
                                    ? fmt::format("there are {} before it", most_processes)
                                    : std::string();
        // It is run as it always was.
        if (!why.empty()) {
            add_problem(notes, each.at, fmt::format("scripts.{}: left out: {}", base::shortened(each.key), why));
            continue;
        }
        Node process = make_table(each.at);
        Node run = make_list(each.at);
        for (const std::string_view word : {runner, std::string_view("run"), std::string_view(each.key)})
            run.items.push_back(literal(std::string(word), each.at));
        add_member(process, "run", std::move(run));
        add_member(process, "autostart", make_boolean(false, each.at));
        add_member(processes, name, std::move(process));
    }
    Node root = make_table(tree->at);
    add_member(root, "process", std::move(processes));
    return root;
}

}  // namespace persistproc::project
