#include "common/domain/readiness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/text.hpp"
#include "common/domain/process.hpp"
#include "common/domain/quotes.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::domain {

namespace {

using schema::Json;

constexpr double longest_seconds = 86400;

using Statuses = std::vector<std::pair<int, int>>;

/// The members of a table, as they are written. Exactly one of the first seven says what is checked.
struct CheckTable {
    std::optional<std::string> http, log, file, socket;
    std::vector<std::string> command;
    bool is_command_typed = false;  // one text
    std::optional<int> port;
    bool is_own_port = false;
    bool notify = false;
    Statuses status;
    std::string body;
    std::optional<double> timeout, period, probe_timeout;
    double initial_delay = 0;
    std::optional<std::int64_t> successes, failures;

    template <class Each>
    static constexpr void fields(Each&& each);
    Result<void> finish_reading(const Json& json);
};

Json any_schema() { return Json::object(); }

/// "200", 200, "200-299".
std::optional<std::pair<int, int>> find_range(const Json& json) {
    if (json.is_number_integer()) {
        const auto code = json.get<std::int64_t>();
        if (code < 100 || code > 599) return std::nullopt;
        return std::pair{static_cast<int>(code), static_cast<int>(code)};
    }
    if (!json.is_string()) return std::nullopt;
    const auto& text = json.get_ref<const std::string&>();
    const char* const end = text.data() + text.size();
    std::pair<int, int> out;
    auto [at, failed] = std::from_chars(text.data(), end, out.first);
    out.second = out.first;
    if (failed == std::errc{} && at != end && *at == '-') {
        const auto rest = std::from_chars(at + 1, end, out.second);
        at = rest.ptr;
        failed = rest.ec;
    }
    const bool is_range = failed == std::errc{} && at == end && out.first >= 100 && out.second <= 599;
    return is_range && out.first <= out.second ? std::optional(out) : std::nullopt;
}

Result<Statuses> read_status(const Json& json, const std::string& path) {
    Statuses out;
    const Json list = json.is_array() ? json : Json::array({json});
    for (const auto& each : list) {
        const auto range = find_range(each);
        if (!range) return schema::detail::wrong_type(path, "statuses such as 200 or \"200-399\"", each);
        out.push_back(*range);
    }
    return out;
}
Json write_status(const Statuses& ranges) {
    Json out = Json::array();
    for (const auto& [from, to] : ranges) out.push_back(from == to ? Json(from) : Json(fmt::format("{}-{}", from, to)));
    return out;
}
const schema::Form<Statuses> status_form{any_schema, read_status, write_status};

/// Which of a number and the word "port" it was is seen in finish_reading.
Result<std::optional<int>> read_port(const Json& json, const std::string& path) {
    if (json.is_string() && json.get_ref<const std::string&>() == "port") return std::optional<int>();
    auto number = schema::detail::read_integer(json, path, INT32_MIN, INT32_MAX);
    if (!number) return number.error();
    if (*number < 1 || *number > 65535)
        return Error{ErrorCode::invalid, fmt::format("{}: must be 1 to 65535, got {}", path, *number)};
    return std::optional(static_cast<int>(*number));
}
Json write_port(const std::optional<int>& port) { return port ? Json(*port) : Json(); }
const schema::Form<std::optional<int>> port_form{any_schema, read_port, write_port};

template <class Each>
constexpr void CheckTable::fields(Each&& each) {
    using T = CheckTable;
    using schema::field;
    each(field("port", &T::port).in_form(&port_form).as_key("port"));
    each(field("http", &T::http).as_key("http"));
    each(field("log", &T::log).range(1, 1024).as_key("log"));
    each(field("command", &T::command).in_form(&command_form).as_key("command"));
    each(field("file", &T::file).range(1, 4096).as_key("file"));
    each(field("socket", &T::socket).range(1, 4096).as_key("socket"));
    each(field("notify", &T::notify).as_key("notify"));
    each(field("status", &T::status).in_form(&status_form).as_key("status"));
    each(field("body", &T::body).range(1, 1024).as_key("body"));
    each(field("timeout", &T::timeout).in_form(&optional_seconds_form).range(0.001, longest_seconds).as_key("timeout"));
    each(field("period", &T::period).in_form(&optional_seconds_form).range(0.05, longest_seconds).as_key("period"));
    each(field("probe_timeout", &T::probe_timeout)
             .in_form(&optional_seconds_form)
             .range(0.001, 3600)
             .as_key("probe_timeout"));
    each(field("initial_delay", &T::initial_delay)
             .in_form(&seconds_form)
             .range(0, longest_seconds)
             .as_key("initial_delay"));
    each(field("successes", &T::successes).range(1, 1000).as_key("successes"));
    each(field("failures", &T::failures).range(1, 1000).as_key("failures"));
}

Result<void> CheckTable::finish_reading(const Json& json) {
    is_own_port = json.contains("port") && !port;
    is_command_typed = json.contains("command") && json["command"].is_string();
    return {};
}

Result<HttpCheck> parse_http(const std::string& text, const std::string& path) {
    HttpCheck out;
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("{}: {}: {}", path, base::quote(base::shortened(text)), why)};
    };
    std::string_view rest = text;
    if (rest.starts_with("https://")) return refuse("https is not spoken; use a command");
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
        const std::string_view authority = rest.substr(0, rest.find('/'));
        rest.remove_prefix(authority.size());
        const std::size_t colon = authority.rfind(':');
        const bool has_port = colon != std::string_view::npos && !authority.ends_with(']');
        const std::string_view host = authority.substr(0, has_port ? colon : authority.size());
        if (host != "localhost" && host != "127.0.0.1" && host != "[::1]")
            return refuse("only this machine is asked: http://localhost:PORT/path");
        if (has_port) {
            const std::string_view digits = authority.substr(colon + 1);
            int number = 0;
            const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
            if (failed != std::errc{} || end != digits.data() + digits.size() || number < 1 || number > 65535)
                return refuse("its port is none");
            out.port = number;
        } else {
            out.port = 80;
        }
        if (rest.empty()) rest = "/";
    }
    if (!rest.starts_with('/')) return refuse("expected /path or http://localhost:PORT/path");
    if (rest.size() > 2048 || std::any_of(rest.begin(), rest.end(), [](char c) { return c <= ' ' || c >= '\x7f'; }))
        return refuse("a path is visible ASCII, at most 2048 bytes");
    out.path = rest;
    return out;
}

Result<Check> from_table(CheckTable table, const std::string& path) {
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("{}: {}", path, why)};
    };
    const bool has_port = table.port || table.is_own_port;
    const int subjects = (has_port ? 1 : 0) + (table.http ? 1 : 0) + (table.log ? 1 : 0) + (table.file ? 1 : 0) +
                         (table.socket ? 1 : 0) + (table.command.empty() ? 0 : 1) + (table.notify ? 1 : 0);
    if (subjects != 1) return refuse("a table holds one of port, http, log, command, file, socket, notify");
    if (!table.http && (!table.status.empty() || !table.body.empty())) return refuse("status and body are of http");
    Check out;
    if (table.http) {
        auto http = parse_http(*table.http, path + ".http");
        if (!http) return http.error();
        if (!table.status.empty()) http->status = table.status;
        http->body = table.body;
        out.subject = std::move(*http);
    } else if (table.log) {
        out.subject = LogCheck{std::move(*table.log)};
    } else if (table.file) {
        out.subject = FileCheck{std::move(*table.file)};
    } else if (table.socket) {
        out.subject = SocketCheck{std::move(*table.socket)};
    } else if (table.notify) {
        out.subject = NotifyCheck{};
    } else if (has_port) {
        out.subject = PortCheck{table.port};
    } else {
        CommandCheck check{std::move(table.command), false};
        if (table.is_command_typed) {
            if (auto closed = check_quotes(check.command.front()); !closed)
                return base::with_context(closed.error(), path);
            auto typed = read_typed_command(check.command.front());
            check = {std::move(typed.command), typed.shell};
        }
        if (auto fits = check_command(check.command); !fits) return base::with_context(fits.error(), path);
        out.subject = std::move(check);
    }
    out.timeout_seconds = table.timeout;
    out.period_seconds = table.period;
    out.probe_timeout_seconds = table.probe_timeout;
    out.initial_delay_seconds = table.initial_delay;
    out.successes = table.successes;
    out.failures = table.failures;
    return out;
}

Result<Check> read_check(const Json& json, const std::string& path) {
    if (json.is_object()) {
        auto table = schema::read_from_file<CheckTable>(json, path);
        if (!table) return table.error();
        return from_table(std::move(*table), path);
    }
    if (json.is_number()) {
        const auto port = read_port(json, path);
        if (!port) return port.error();
        return Check{.subject = PortCheck{*port}};
    }
    if (!json.is_string())
        return schema::detail::wrong_type(path, "a port, \"port\", \"/path\", \"notify\" or a table", json);
    const auto& text = json.get_ref<const std::string&>();
    if (text == "port") return Check{.subject = PortCheck{}};
    if (text == "notify") return Check{.subject = NotifyCheck{}};
    if (!text.starts_with('/') && text.find("://") == std::string::npos)
        return schema::detail::wrong_type(path, "a port, \"port\", \"/path\", \"notify\" or a table", json);
    auto http = parse_http(text, path);
    if (!http) return http.error();
    return Check{.subject = std::move(*http)};
}

constexpr std::size_t most_checks = 16;

Result<Checks> read_checks(const Json& json, const std::string& path) {
    Checks out;
    if (!json.is_array()) {
        auto one = read_check(json, path);
        if (!one) return one.error();
        out.push_back(std::move(*one));
        return out;
    }
    if (json.size() > most_checks)
        return Error{ErrorCode::invalid, fmt::format("{}: at most {} checks, got {}", path, most_checks, json.size())};
    for (std::size_t i = 0; i < json.size(); ++i) {
        auto one = read_check(json[i], schema::detail::item_path(path, i));
        if (!one) return one.error();
        out.push_back(std::move(*one));
    }
    return out;
}

struct SubjectWriter {
    Json& out;

    void operator()(const PortCheck& check) const { out["port"] = check.port ? Json(*check.port) : Json("port"); }
    void operator()(const HttpCheck& check) const {
        out["http"] = check.port ? fmt::format("http://localhost:{}{}", *check.port, check.path) : check.path;
        if (check.status != HttpCheck{}.status) out["status"] = write_status(check.status);
        if (!check.body.empty()) out["body"] = check.body;
    }
    void operator()(const LogCheck& check) const { out["log"] = check.pattern; }
    void operator()(const CommandCheck& check) const {
        out["command"] = check.shell ? Json(check.command.front()) : write_text_list(check.command);
    }
    void operator()(const FileCheck& check) const { out["file"] = check.path; }
    void operator()(const SocketCheck& check) const { out["socket"] = check.path; }
    void operator()(const NotifyCheck&) const { out["notify"] = true; }

    static Json write_text_list(const std::vector<std::string>& words) { return schema::to_json(words); }
};

Json write_checks(const Checks& checks) {
    Json out = Json::array();
    for (const auto& check : checks) {
        Json table = Json::object();
        std::visit(SubjectWriter{table}, check.subject);
        if (check.timeout_seconds) table["timeout"] = *check.timeout_seconds;
        if (check.period_seconds) table["period"] = *check.period_seconds;
        if (check.probe_timeout_seconds) table["probe_timeout"] = *check.probe_timeout_seconds;
        if (check.initial_delay_seconds > 0) table["initial_delay"] = check.initial_delay_seconds;
        if (check.successes) table["successes"] = *check.successes;
        if (check.failures) table["failures"] = *check.failures;
        out.push_back(std::move(table));
    }
    return out;
}

struct SubjectText {
    std::string operator()(const PortCheck& check) const {
        return check.port ? fmt::format("port {}", *check.port) : "port";
    }
    std::string operator()(const HttpCheck& check) const {
        return check.port ? fmt::format("GET http://localhost:{}{}", *check.port, check.path) : "GET " + check.path;
    }
    std::string operator()(const LogCheck& check) const { return "log /" + base::shortened(check.pattern) + "/"; }
    std::string operator()(const CommandCheck& check) const {
        return base::shortened(check.shell ? check.command.front() : command_line(check.command));
    }
    std::string operator()(const FileCheck& check) const { return "file " + base::shortened(check.path); }
    std::string operator()(const SocketCheck& check) const { return "socket " + base::shortened(check.path); }
    std::string operator()(const NotifyCheck&) const { return "notify"; }
};

/// What a shell alone knows, as the first word.
constexpr std::string_view shell_words[] = {
    ".",      ":",     "alias", "break", "builtin", "case",  "cd",    "command", "eval",   "exec",    "exit",
    "export", "for",   "if",    "local", "read",    "set",   "shift", "shopt",   "source", "trap",    "type",
    "ulimit", "umask", "unset", "until", "wait",    "while", "{",     "!",       "[[",     "function"};

}  // namespace

const schema::Form<Checks> checks_form{any_schema, read_checks, write_checks};

Result<Check> parse_check(const std::string& text) {
    constexpr std::size_t most_digits = 5;
    const bool is_port =
        !text.empty() && text.size() <= most_digits && text.find_first_not_of("0123456789") == std::string::npos;
    if (is_port) return read_check(Json(std::stoi(text)), "port");
    if (text.starts_with('{')) {
        const Json table = schema::parse_json(text);
        if (table.is_discarded())
            return Error{ErrorCode::invalid, "begins like a table and is no JSON, or is nested too deeply"};
        return read_check(table, "table");
    }
    for (const std::string_view kind : {"log", "command", "file", "socket"}) {
        if (!text.starts_with(kind) || text.substr(kind.size(), 1) != ":") continue;
        Json table = Json::object();
        table[std::string(kind)] = text.substr(kind.size() + 1);
        return read_check(table, std::string(kind));
    }
    auto plain = read_check(Json(text), "check");
    if (plain || text.starts_with('/') || text.find("://") != std::string::npos) return plain;
    return Error{ErrorCode::invalid,
                 fmt::format("\"{}\" is no check: PORT, /path, http://localhost:PORT/path, log:RE2, "
                             "command:CMD, file:PATH, socket:PATH, notify or port",
                             base::excerpt(text))};
}

std::string check_text(const Check& check) { return std::visit(SubjectText{}, check.subject); }

TypedCommand read_typed_command(const std::string& text) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    const bool has_lines = text.substr(0, end == std::string::npos ? 0 : end).find('\n') != std::string::npos;
    if (!has_lines) {
        auto words = split_command(text);
        const bool is_plain =
            words && std::find(std::begin(shell_words), std::end(shell_words), words->front()) == std::end(shell_words);
        if (is_plain) return {std::move(*words), false};
    }
    return {{text}, true};
}

}  // namespace persistproc::domain
