#pragma once
/// `${name.key}` in the texts of a project's file. Everything else that begins with "$" is left to the shell, so that
/// what a text says does not depend on who reads it; `$${` stands for `${`.
///
///     ${api.port} ${api.port.admin} ${api.url}      of a process
///     ${project.name} ${project.root}
///     ${env.HOME} ${env.X:-default}                 where no value is shown by that: see `Values`
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/config/environment_file.hpp"

namespace persistproc::project {

/// The numbers of one process's ports, by name.
using PortNumbers = std::map<std::string, int>;

struct ReferenceValues {
    std::string project_name, project_root;
    std::map<std::string, PortNumbers> ports;  // of every process, of those without a port an empty one
    config::VariableLookup variable;
    bool leaves_variables = false;  // `${env.…}` stays as it is written
    /// Asked before each reference: true, and no more is read.
    std::function<bool()> is_over;
};

/// Whether values of variables may be put in: commands, directories and checks are listed, values never are.
enum class Values { allowed, refused };

/// Of one text.
inline constexpr std::size_t max_replaced_bytes = 1u << 20;

/// Pure, but for what `known` asks. Errors: invalid, which names the reference (and the nearest known one; one without
/// its end, too), no value; or says that it would be too long; unavailable, where it was over.
Result<std::string> replace_references(std::string_view text, const ReferenceValues& known, Values values);

}  // namespace persistproc::project
