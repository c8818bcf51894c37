#include "common/project/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/size.hpp"
#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::project {

namespace {

using schema::Json;

Json any_schema() { return Json::object(); }

Error refused(const std::string& path, std::string_view why) {
    return Error{ErrorCode::invalid, fmt::format("{}: {}", path, why)};
}

// ports

Result<PortWish> read_wish(const Json& json, const std::string& path) {
    const auto refuse = [&] {
        return schema::detail::wrong_type(path, "a port from 1 to 65535, \"N+\" or \"auto\"", json);
    };
    PortWish out;
    if (json.is_string()) {
        const std::string_view text = json.get_ref<const std::string&>();
        if (text == "auto") return out;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out.number);
        if (failed != std::errc{} || std::string_view(end, text.data() + text.size()) != "+") return refuse();
        out.kind = PortWish::Kind::from;
    } else {
        auto number = schema::detail::read_integer(json, path, INT32_MIN, INT32_MAX);
        if (!number) return refuse();
        out.kind = PortWish::Kind::exactly;
        out.number = static_cast<int>(*number);
    }
    if (out.number < 1 || out.number > 65535) return refuse();
    return out;
}

bool is_port_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

Result<std::vector<PortWish>> read_ports(const Json& json, const std::string& path) {
    std::vector<PortWish> out;
    if (!json.is_object()) {
        auto one = read_wish(json, path);
        if (!one) return one.error();
        out.push_back(std::move(*one));
        return out;
    }
    if (json.empty() || json.size() > 16) return refused(path, "a table of ports has 1 to 16 of them");
    for (const auto& item : json.items()) {
        const std::string where = schema::detail::item_path(path, item.key());
        if (!is_port_name(item.key())) return refused(where, "a port's name is letters, digits, \"_\" and \"-\"");
        auto one = read_wish(item.value(), where);
        if (!one) return one.error();
        one->name = item.key();
        out.push_back(std::move(*one));
    }
    return out;
}
Json write_wish(const PortWish& wish) {
    return wish.kind == PortWish::Kind::exactly ? Json(wish.number) : Json(wish_text(wish));
}
Json write_ports(const std::vector<PortWish>& wishes) {
    if (wishes.size() == 1 && wishes.front().name.empty()) return write_wish(wishes.front());
    Json out = Json::object();
    for (const auto& each : wishes) out[each.name] = write_wish(each);
    return out;
}

// dependencies

/// "ready", "log:RE2".
Result<void> read_condition(std::string_view text, const std::string& path, Dependency& into) {
    into.is_stated = true;
    if (text.starts_with("log:")) {
        into.until = Condition::log;
        into.pattern = text.substr(4);
        if (into.pattern.empty() || into.pattern.size() > 1024)
            return refused(path, "behind \"log:\" stands an expression, at most 1024 bytes");
        return {};
    }
    for (const auto& [condition, word] : schema::EnumNames<Condition>::names) {
        if (word != text || condition == Condition::log) continue;
        into.until = condition;
        return {};
    }
    return refused(
        path, fmt::format("{} is not one of ready, started, done, ended, log:RE2", base::quote(base::shortened(text))));
}
std::string condition_text(const Dependency& edge) {
    return edge.until == Condition::log ? "log:" + edge.pattern : std::string(schema::enum_name(edge.until));
}

/// An edge's table.
struct EdgeTable {
    std::string until;
    bool restart = false;
    bool required = true;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using T = EdgeTable;
        each(schema::field("until", &T::until).as_key("until"));
        each(schema::field("restart", &T::restart).as_key("restart"));
        each(schema::field("required", &T::required).as_key("required"));
    }
};

Result<std::vector<Dependency>> read_dependencies(const Json& json, const std::string& path) {
    std::vector<Dependency> out;
    const auto add = [&out](Dependency edge, const std::string& where) -> Result<void> {
        const auto is_same = [&edge](const Dependency& each) { return each.process == edge.process; };
        if (std::any_of(out.begin(), out.end(), is_same))
            return refused(where, fmt::format("{} is named twice", base::quote(base::shortened(edge.process))));
        out.push_back(std::move(edge));
        return {};
    };
    if (json.is_array()) {
        for (std::size_t i = 0; i < json.size(); ++i) {
            const std::string where = schema::detail::item_path(path, i);
            if (!json[i].is_string())
                return schema::detail::wrong_type(where, "\"process\" or \"process:condition\"", json[i]);
            const auto& text = json[i].get_ref<const std::string&>();
            const std::size_t colon = text.find(':');
            Dependency edge{.process = text.substr(0, colon), .pattern = {}};
            if (colon != std::string::npos)
                if (auto read = read_condition(std::string_view(text).substr(colon + 1), where, edge); !read)
                    return read.error();
            if (auto added = add(std::move(edge), where); !added) return added.error();
        }
    } else if (json.is_object()) {
        for (const auto& item : json.items()) {
            const std::string where = schema::detail::item_path(path, item.key());
            auto table = schema::read_from_file<EdgeTable>(item.value(), where);
            if (!table) return table.error();
            Dependency edge{
                .process = item.key(), .pattern = {}, .restart = table->restart, .required = table->required};
            if (!table->until.empty())
                if (auto read = read_condition(table->until, where + ".until", edge); !read) return read.error();
            out.push_back(std::move(edge));
        }
    } else {
        return schema::detail::wrong_type(path, "a list of \"process:condition\" or a table", json);
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.process < b.process; });
    return out;
}
Json write_dependencies(const std::vector<Dependency>& edges) {
    Json out = Json::object();
    for (const auto& edge : edges)
        out[edge.process] =
            Json{{"until", condition_text(edge)}, {"restart", edge.restart}, {"required", edge.required}};
    return out;
}

// environment

Result<std::vector<EnvironmentFile>> read_environment_files(const Json& json, const std::string& path) {
    std::vector<EnvironmentFile> out;
    const Json list = json.is_array() ? json : Json::array({json});
    if (list.size() > 16) return refused(path, "at most 16 files");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string where = json.is_array() ? schema::detail::item_path(path, i) : path;
        if (list[i].is_string()) {
            out.push_back({.path = list[i].get<std::string>()});
        } else {
            auto one = schema::read_from_file<EnvironmentFile>(list[i], where);
            if (!one) return one.error();
            out.push_back(std::move(*one));
        }
        if (out.back().path.empty()) return refused(where, "a file has a name");
    }
    return out;
}
Json write_environment_files(const std::vector<EnvironmentFile>& files) {
    Json out = Json::array();
    for (const auto& each : files)
        out.push_back(Json{{"path", each.path}, {"required", each.required}, {"expand", each.expand}});
    return out;
}

Result<domain::Environment> read_environment(const Json& json, const std::string& path) {
    if (!json.is_object()) return schema::detail::wrong_type(path, "a table", json);
    domain::Environment out;
    for (const auto& item : json.items()) {
        const Json& value = item.value();
        const std::string where = schema::detail::item_path(path, item.key().substr(0, item.key().find('=')));
        if (value.is_string())
            out[item.key()] = value.get<std::string>();
        else if (value.is_boolean())
            out[item.key()] = value.get<bool>() ? "true" : "false";
        else if (value.is_number_integer())
            out[item.key()] = std::to_string(value.get<std::int64_t>());
        else
            return refused(where,
                           fmt::format("expected a text, a whole number, true or false, got {}", value.type_name()));
    }
    if (auto fits = domain::check_environment(out); !fits) return refused(path, fits.error().message);
    return out;
}
Json write_environment(const domain::Environment& environment) { return schema::to_json(environment); }

// restart, watch, size

Result<Restart> read_restart(const Json& json, const std::string& path) {
    if (json.is_object()) {
        auto table = schema::read_from_file<Restart>(json, path);
        const auto policy = json.find("policy");
        if (table && policy->get_ref<const std::string&>().find(':') != std::string::npos)
            return refused(path + ".policy", "how often is said by max");
        if (table && table->max_delay_seconds < table->delay_seconds)
            return refused(path + ".max_delay", "is less than the delay");
        return table;
    }
    if (!json.is_string()) return schema::detail::wrong_type(path, "never, on-failure, always or a table", json);
    const auto choice = domain::parse_restart(json.get_ref<const std::string&>());
    if (!choice) return base::with_context(choice.error(), path);
    Restart out;
    out.policy = choice->policy;
    if (choice->limit) out.max = *choice->limit;
    return out;
}
template <class T>
Json write_by_keys(const T& value) {
    Json out = Json::object();
    for (const auto& each : schema::detail::object_codec<T>().fields) {
        if (!each.facts.is_for(schema::in_files)) continue;
        out[each.facts.key] = schema::detail::write_field(each, &value, schema::in_files);
    }
    return out;
}
Json write_restart(const Restart& restart) { return write_by_keys(restart); }

Result<std::vector<int>> read_codes(const Json& json, const std::string& path) {
    auto codes = schema::read<std::vector<int>>(json, path);
    if (!codes) return codes.error();
    for (std::size_t i = 0; i < codes->size(); ++i)
        if ((*codes)[i] < 0 || (*codes)[i] > 255)
            return refused(schema::detail::item_path(path, i), "an exit code is 0 to 255");
    return codes;
}
Json write_codes(const std::vector<int>& codes) { return schema::to_json(codes); }

Result<std::optional<Watch>> read_watch(const Json& json, const std::string& path) {
    if (json.is_object()) {
        auto table = schema::read_from_file<Watch>(json, path);
        if (!table) return table.error();
        return std::optional(std::move(*table));
    }
    auto paths = schema::read<std::vector<std::string>>(json, path);
    if (!paths) return paths.error();
    if (paths->empty() || paths->size() > 256) return refused(path, "names 1 to 256 patterns");
    Watch out;
    out.paths = std::move(*paths);
    return std::optional(std::move(out));
}
Json write_watch(const std::optional<Watch>& watch) { return watch ? write_by_keys(*watch) : Json(); }

Result<std::optional<std::int64_t>> read_size(const Json& json, const std::string& path) {
    auto bytes = domain::bytes_form.read(json, path);
    if (!bytes) return bytes.error();
    if (*bytes < 1) return refused(path, "more than nothing is kept");
    return std::optional(*bytes);
}
Json write_size(const std::optional<std::int64_t>& bytes) { return bytes ? Json(*bytes) : Json(); }

}  // namespace

const schema::Form<std::vector<PortWish>> ports_form{any_schema, read_ports, write_ports};
const schema::Form<std::vector<Dependency>> dependencies_form{any_schema, read_dependencies, write_dependencies};
const schema::Form<std::vector<EnvironmentFile>> environment_files_form{any_schema, read_environment_files,
                                                                        write_environment_files};
const schema::Form<std::vector<int>> codes_form{any_schema, read_codes, write_codes};
const schema::Form<Restart> restart_form{any_schema, read_restart, write_restart};
const schema::Form<std::optional<Watch>> watch_form{any_schema, read_watch, write_watch};
const schema::Form<domain::Environment> environment_form{any_schema, read_environment, write_environment};
const schema::Form<std::optional<std::int64_t>> Process::size_form{any_schema, read_size, write_size};

std::string wish_text(const PortWish& wish) {
    switch (wish.kind) {
        case PortWish::Kind::exactly: return std::to_string(wish.number);
        case PortWish::Kind::from: return fmt::format("{}+", wish.number);
        case PortWish::Kind::automatic: break;
    }
    return "auto";
}

std::string port_variable(std::string_view port_name) {
    if (port_name.empty()) return "PORT";
    std::string out = "PORT_";
    for (const char c : port_name) out += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return out;
}

bool has_readiness(const Process& process) noexcept { return process.oneshot || !process.ready.empty(); }

}  // namespace persistproc::project
