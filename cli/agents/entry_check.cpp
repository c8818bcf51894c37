#include "cli/agents/entry_check.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/text.hpp"

namespace persistproc::cli::agents {

namespace {

constexpr std::array<std::string_view, 15> harmless_members = {
    "disabled",           "enabled",          "timeout",       "timeoutMs",      "startup_timeout_sec",
    "startup_timeout_ms", "tool_timeout_sec", "required",      "description",    "source",
    "includeTools",       "excludeTools",     "enabled_tools", "disabled_tools", "disabledTools"};
constexpr std::array<std::string_view, 3> url_members = {"url", "httpUrl", "serverUrl"};

std::string_view program_name(std::string_view command) {
    return command.substr(command.find_last_of('/') + 1);  // npos + 1: all of it
}

/// The parts of a URL that may be shown; the user, password, query and fragment may be secrets.
struct Url {
    std::string scheme, host, port, path;
    std::string text() const { return fmt::format("{}://{}{}{}{}", scheme, host, port.empty() ? "" : ":", port, path); }
};

std::optional<Url> parse_url(std::string_view text) {
    Url out;
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    out.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 3);
    text = text.substr(0, text.find_first_of("?#"));
    const std::size_t slash = std::min(text.find('/'), text.size());
    std::string_view authority = text.substr(0, slash);
    out.path = text.substr(slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
    const std::size_t port = authority.rfind(':');
    if (port != std::string_view::npos && authority.find(']', port) == std::string_view::npos) {
        out.port = authority.substr(port + 1);
        authority = authority.substr(0, port);
    }
    out.host = authority;
    if (out.host.empty()) return std::nullopt;
    return out;
}

Finding check_url(std::string_view text, const Expected& expected, std::string_view repair) {
    const std::string advice(repair);
    const auto url = parse_url(text);
    if (!url) return {Verdict::problem, "what it names is no URL", advice};
    const std::string shown = base::escape_line(url->text());
    const Url wanted = parse_url(expected.endpoint).value_or(Url{});
    const bool is_loopback = url->host == "127.0.0.1" || url->host == "localhost" || url->host == "[::1]";
    if (!is_loopback) return {Verdict::note, fmt::format("{} is another machine's; not examined", shown), ""};
    if (url->scheme != "http")
        return {Verdict::problem, fmt::format("{}: the daemon speaks http alone", shown), advice};
    if (url->host == "[::1]")
        return {Verdict::problem, fmt::format("{}: the daemon listens on 127.0.0.1 alone", shown), advice};
    if (url->path != "/mcp" && url->path != "/mcp/")
        return {Verdict::problem, fmt::format("{}: the daemon answers at /mcp", shown), advice};
    if (url->port != wanted.port) {
        if (expected.daemon_answers)
            return {Verdict::problem, fmt::format("{}, but the daemon serves at {}", shown, expected.endpoint), advice};
        return {Verdict::note, fmt::format("{}, but the port of this installation is {}", shown, wanted.port), advice};
    }
    if (url->host == "localhost")
        return {Verdict::note, fmt::format("{}: localhost may lead to ::1, where nobody listens", shown), advice};
    return {Verdict::ok, shown, ""};
}

Finding check_command(const FoundEntry& entry, const Expected& expected, std::string_view repair) {
    const std::string command(entry.text("command"));
    const std::string advice(repair);
    if (command.empty()) return {Verdict::problem, "\"command\" is no text", advice};
    const std::string shown = base::escape_line(command);
    const EntryMember* found = entry.find("args");
    const auto* arguments = found == nullptr ? nullptr : std::get_if<std::vector<std::string>>(&found->value);
    const bool says_mcp =
        arguments != nullptr && std::find(arguments->begin(), arguments->end(), "mcp") != arguments->end();
    if (program_name(command) == "persistproc" && !says_mcp)
        return {Verdict::problem, fmt::format("it starts {} without the argument \"mcp\"", shown), advice};
    // Agents put variables into it; what they become here is not known.
    if (command.find('$') == std::string::npos && !expected.can_start(command))
        return {Verdict::problem, fmt::format("its command {} is not found", shown), advice};
    return {Verdict::ok, fmt::format("starts {}{}", shown, says_mcp ? " mcp" : ""), ""};
}

/// The member that holds the URL, or what is wrong with the shape.
struct Shape {
    std::string_view url_member;  // empty: a command
    std::string wrong;
};

Shape shape_of(const ops::Agent& agent, const FoundEntry& entry) {
    Shape out;
    if (!entry.is_table) {
        out.wrong = "it is no table of members";
        return out;
    }
    for (const std::string_view member : url_members)
        if (entry.find(member) != nullptr && (out.url_member.empty() || member == agent.url_member))
            out.url_member = member;
    const bool has_command = entry.find("command") != nullptr;
    const std::string_view type = entry.text("type");
    if (out.url_member.empty() && !has_command) {
        out.wrong = "it holds neither a URL nor a command";
    } else if (!out.url_member.empty() && has_command) {
        out.wrong = "it holds a URL and a command";
    } else if (!out.url_member.empty() && out.url_member != agent.url_member) {
        // Newer versions of these two take the common name as well.
        const bool is_taken =
            out.url_member == "url" && (agent.name == "windsurf" || (agent.name == "gemini" && type == "http"));
        if (!is_taken)
            out.wrong =
                fmt::format("\"{}\" must be called \"{}\" for {}", out.url_member, agent.url_member, agent.title);
    }
    if (!out.wrong.empty()) return out;
    ops::AgentEntry form;
    if (has_command) form.command = {"persistproc"};
    const std::string_view needed = has_command ? agent.stdio_type : agent.http_type;
    if (entry.find("type") == nullptr && !needed.empty())
        out.wrong = fmt::format("\"type\": \"{}\" is missing", needed);
    else if (entry.find("type") != nullptr && corrected_type(type, form))
        out.wrong =
            fmt::format("\"type\" must be \"{}\", not \"{}\"", *corrected_type(type, form), base::escape_line(type));
    return out;
}

/// Whether an entry with a URL lacks the token; empty: it has it, or nobody knows.
std::string token_fault(const ops::Agent& agent, const FoundEntry& entry, const Expected& expected) {
    const EntryMember* found = entry.find(agent.headers_member);
    const auto* headers = found == nullptr ? nullptr : std::get_if<ops::AgentHeaders>(&found->value);
    const auto is_token = [](const auto& each) { return ::strcasecmp(each.first.c_str(), "authorization") == 0; };
    const auto field = headers == nullptr ? ops::AgentHeaders::const_iterator()
                                          : std::find_if(headers->begin(), headers->end(), is_token);
    // Codex takes it from a variable, too, and others put variables into it; what those hold here is not known.
    if (headers == nullptr || field == headers->end())
        return entry.find("bearer_token_env_var") != nullptr ? "" : "the daemon asks for a token, and it shows none";
    const bool is_known = !expected.token.empty() && field->second.find('$') == std::string::npos;
    return is_known && field->second != "Bearer " + expected.token ? "it shows another token than the daemon's" : "";
}

bool is_switched_off(const FoundEntry& entry) {
    const auto says = [&entry](std::string_view member, bool what) {
        const EntryMember* found = entry.find(member);
        const bool* value = found == nullptr ? nullptr : std::get_if<bool>(&found->value);
        return value != nullptr && *value == what;
    };
    return says("disabled", true) || says("enabled", false);
}

}  // namespace

bool names_url(const FoundEntry& entry) {
    return std::any_of(url_members.begin(), url_members.end(),
                       [&](std::string_view member) { return entry.find(member) != nullptr; });
}

bool is_ours(const FoundEntry& entry, const Expected& expected) {
    if (entry.name == "persistproc" || program_name(entry.text("command")) == "persistproc") return true;
    return std::any_of(url_members.begin(), url_members.end(),
                       [&](std::string_view member) { return entry.text(member) == expected.endpoint; });
}

std::string other_members(const FoundEntry& entry) {
    ops::AgentEntry command;
    command.command = {"persistproc"};
    const bool by_url = names_url(entry);
    std::vector<std::string> names;
    for (const EntryMember& member : entry.members) {
        const bool is_header = by_url && belongs_to_other_form(member.name, command);
        const bool is_harmless =
            std::find(harmless_members.begin(), harmless_members.end(), member.name) != harmless_members.end();
        if (member.is_empty || is_form_member(member.name) || is_header || is_harmless) continue;
        names.push_back(base::quote(base::shortened(member.name)));
    }
    constexpr std::size_t most_named = 5;
    if (names.size() > most_named) {
        names.resize(most_named);
        names.emplace_back("more");
    }
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
    return out;
}

Result<void> check_project_entry(std::string_view text, const ops::Agent& agent, std::string_view name) {
    const auto entries = find_entries(text, agent.syntax, {std::string(agent.table)});
    if (!entries) return entries.error();
    for (const FoundEntry& entry : *entries) {
        if (entry.name != name) continue;
        if (const std::string others = other_members(entry); !others.empty())
            return Error{ErrorCode::conflict,
                         fmt::format("{}: the project's entry \"{}\" also sets {}, which decides what is run and how; "
                                     "remove that, or give another --name",
                                     entry.position, name, others)};
    }
    return boost::system::in_place_value;
}

Finding check_entry(const ops::Agent& agent, const FoundEntry& entry, const Expected& expected,
                    std::string_view repair) {
    const Shape shape = shape_of(agent, entry);
    if (!shape.wrong.empty()) return {Verdict::problem, shape.wrong, std::string(repair)};
    Finding finding = shape.url_member.empty() ? check_command(entry, expected, repair)
                                               : check_url(entry.text(shape.url_member), expected, repair);
    if (finding.verdict != Verdict::ok) return finding;
    if (expected.is_project) {
        if (const std::string others = other_members(entry); !others.empty())
            return {Verdict::problem,
                    fmt::format("{}; the project also sets {} there, which decides what is run and how", finding.detail,
                                others),
                    "remove that, or trust the project no more than its programs"};
        if (shape.url_member.empty() && entry.text("command") != "persistproc")
            return {Verdict::note, finding.detail + ": a program of the project's choice", std::string(repair)};
    }
    if (expected.needs_token && !shape.url_member.empty())
        if (const auto fault = token_fault(agent, entry, expected); !fault.empty())
            return {Verdict::problem, fmt::format("{}: {}", finding.detail, fault), std::string(repair)};
    ops::AgentEntry form;
    if (shape.url_member.empty()) form.command = {"persistproc"};
    for (const EntryMember& member : entry.members) {
        if (!belongs_to_other_form(member.name, form) || member.is_empty) continue;
        return {Verdict::note,
                fmt::format("{}; \"{}\" is for {} alone", finding.detail, member.name,
                            form.command.empty() ? "a command" : "a URL"),
                "remove it there"};
    }
    if (is_switched_off(entry))
        return {Verdict::note, finding.detail + "; it is switched off", fmt::format("enable it in {}", agent.title)};
    return finding;
}

}  // namespace persistproc::cli::agents
