#pragma once
/// Files of KEY=VALUE lines, in one dialect wherever such a file is named.
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::config {

inline constexpr std::size_t max_environment_file_bytes = 1u << 20;

/// The value of a variable, if it is set.
using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Also with CRLF and a byte order mark. Empty lines and those that begin with '#' are skipped, `export` is, and the
/// last of several counts. A value ends at the line's end or at a '#' behind a blank, or it stands in quotes, over
/// several lines if need be: as it is in single ones, with \n \t \r \\ \" \$ in double ones. Nothing is expanded
/// unless `outer` is given: then `${X}` and `${X:-default}` stand for what an earlier line says, else for what `outer`
/// says, else for the default or nothing, everywhere but in single quotes. `name` stands in errors. Pure, but for
/// `is_over`, asked before each look-up: true, and no more is read. Errors: invalid, with line and column; also where
/// the values come to more than a file may have; unavailable, where it was over.
Result<domain::Environment> parse_environment_file(std::string_view text, std::string_view name,
                                                   const VariableLookup& outer = {},
                                                   const std::function<bool()>& is_over = {});

}  // namespace persistproc::config
