#pragma once
/// The user's own file of settings: `$XDG_CONFIG_HOME/persistproc/config.toml`, else
/// `~/.config/persistproc/config.toml`.
///
///     [daemon]                  # the long flags of persistprocd
///     port = 9000
///     process-log-limit = "256MiB"
///     allow-origin = ["http://localhost:6274"]
///
/// A table's keys are flags, so what they may be is known to who has these flags. A flag counts more than its
/// variable, a variable more than the file.
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::config {

struct Setting {
    std::string key;
    std::vector<std::string> values;  // as they would be typed behind the flag; of `true` "true"; of `false` none
    std::string place;                // "FILE: line 3, column 1", for errors
    bool is_switch = false;           // it was written as true or false
};

struct ConfigFile {
    std::filesystem::path path;  // whether there is one or not; empty: nowhere to look
    std::map<std::string, std::vector<Setting>> tables;

    /// Settings of one table, in the order of the file.
    const std::vector<Setting>& table(const std::string& name) const;
};

/// Where the file is looked for. Empty where neither XDG_CONFIG_HOME nor HOME is set.
std::filesystem::path find_config_path();

/// The file, if there is one. Errors: invalid (FILE: line, column, what is wrong: no TOML, a table that is none of
/// `known_tables`, a value that cannot be typed), io, denied.
Result<ConfigFile> read_config(const std::filesystem::path& path);

/// Pure part of it. `name` stands in errors.
Result<ConfigFile> parse_config(std::string_view text, const std::filesystem::path& name);

/// For a key that is no setting of its table: says which there are.
Error unknown_key(const Setting& setting, std::string_view table, const std::vector<std::string>& known);

}  // namespace persistproc::config
