#include "common/config/config_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/config/toml_bounds.hpp"
#include "common/config/toml_parser.hpp"

namespace persistproc::config {

namespace {

constexpr std::string_view known_tables[] = {"daemon", "client", "run"};

std::string place_of(const std::filesystem::path& file, const toml::source_position& at) {
    return fmt::format("{}: line {}, column {}", base::escape_line(file.native()), at.line, at.column);
}

/// What would be typed; no value: it is nothing that a flag takes.
std::optional<std::string> typed_text(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    return std::nullopt;
}

Result<Setting> read_setting(const toml::key& key, const toml::node& node, const std::filesystem::path& file) {
    Setting out{.key = std::string(key.str()), .values = {}, .place = place_of(file, key.source().begin)};
    if (const auto* flag = node.as_boolean()) {
        out.is_switch = true;
        if (flag->get()) out.values.emplace_back("true");
        return out;
    }
    if (auto text = typed_text(node)) {
        out.values.push_back(std::move(*text));
        return out;
    }
    const auto* list = node.as_array();
    bool is_fine = list != nullptr;
    if (list != nullptr)
        for (const auto& each : *list) {
            auto text = typed_text(each);
            is_fine = is_fine && text;
            if (text) out.values.push_back(std::move(*text));
        }
    if (is_fine) return out;
    return Error{ErrorCode::invalid, fmt::format("{}: {}: a text, a number, true, false or a list of texts is expected",
                                                 out.place, base::excerpt(out.key))};
}

std::string joined(const auto& words) { return fmt::format("{}", fmt::join(words, ", ")); }

}  // namespace

const std::vector<Setting>& ConfigFile::table(const std::string& name) const {
    static const std::vector<Setting> none;
    const auto found = tables.find(name);
    return found == tables.end() ? none : found->second;
}

std::filesystem::path find_config_path() {
    const auto value = [](const char* name) -> std::string_view {
        const char* text = std::getenv(name);
        return text != nullptr ? text : "";
    };
    // The base directory specification tells us to ignore a relative value.
    if (const auto base = value("XDG_CONFIG_HOME"); base.starts_with('/'))
        return std::filesystem::path(base) / "persistproc" / "config.toml";
    if (const auto home = value("HOME"); home.starts_with('/'))
        return std::filesystem::path(home) / ".config" / "persistproc" / "config.toml";
    return {};
}

Result<ConfigFile> parse_config(std::string_view text, const std::filesystem::path& name) {
    if (auto fits = check_toml_bounds(text); !fits)
        return Error{ErrorCode::invalid, fmt::format("{}: {}", base::escape_line(name.native()), fits.error().message)};
    auto parsed = toml::parse(text);
    if (!parsed)
        return Error{ErrorCode::invalid, fmt::format("{}: {}", place_of(name, parsed.error().source().begin),
                                                     base::escape_line(parsed.error().description()))};
    const toml::table root = std::move(parsed).table();
    ConfigFile out;
    out.path = name;
    for (const auto& [key, node] : root) {
        const auto* table = node.as_table();
        const bool is_known =
            std::find(std::begin(known_tables), std::end(known_tables), key.str()) != std::end(known_tables);
        if (table == nullptr || !is_known)
            return Error{ErrorCode::invalid,
                         fmt::format("{}: \"{}\" is none of the tables {}", place_of(name, key.source().begin),
                                     base::excerpt(key.str()), joined(known_tables))};
        auto& settings = out.tables[std::string(key.str())];
        std::vector<std::pair<toml::source_position, Setting>> found;
        for (const auto& [own, value] : *table) {
            auto setting = read_setting(own, value, name);
            if (!setting) return setting.error();
            found.emplace_back(own.source().begin, std::move(*setting));
        }
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (auto& [at, setting] : found) settings.push_back(std::move(setting));
    }
    return out;
}

Result<ConfigFile> read_config(const std::filesystem::path& path) {
    ConfigFile none;
    none.path = path;
    if (path.empty()) return none;
    std::error_code unseen;
    if (std::filesystem::is_directory(path, unseen))
        return Error{ErrorCode::invalid, base::escape_line(path.native()) + ": a directory, where a file is expected"};
    auto text = base::read_trusted_file(path, max_toml_bytes);
    // Where its folder cannot be entered nobody has put one there for us.
    const bool is_there =
        text || (text.error().code != ErrorCode::not_found && ::access(path.parent_path().c_str(), X_OK) == 0);
    struct stat facts {};
    const bool leads_nowhere = !text && text.error().code == ErrorCode::not_found && ::lstat(path.c_str(), &facts) == 0;
    if (leads_nowhere)
        return Error{ErrorCode::invalid, base::escape_line(path.native()) + ": a link that leads to no file"};
    if (!is_there) return none;
    if (!text) {
        // As one that is wrong: what was typed is not done.
        Error unread = text.error();
        unread.code = ErrorCode::invalid;
        return unread;
    }
    return parse_config(*text, path);
}

Error unknown_key(const Setting& setting, std::string_view table, const std::vector<std::string>& known) {
    return Error{ErrorCode::invalid, fmt::format("{}: \"{}\" is no key of [{}]; known: {}", setting.place,
                                                 base::excerpt(setting.key), table, joined(known))};
}

}  // namespace persistproc::config
