#pragma once
/// What a program inherits, and what is set on top of it. Pure.
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/rundir/spec.hpp"

namespace persistproc::core {

/// As requests have them: [resource, soft, hard], -1: unlimited.
std::vector<rundir::ResourceLimit> limits_of(const std::vector<std::vector<std::int64_t>>& asked);

/// "NAME=value" entries: those of `base` that are no supervision of ours, and `changes` on top. PYTHONUNBUFFERED=1 is
/// one of them unless either says otherwise: Python keeps back what it prints to a pipe, and nobody would see it.
/// `changes` are fine by domain::check_environment.
std::vector<std::string> compose_environment(const std::vector<std::string>& base, const Environment& changes);

/// `entries` with `own` in place of what has the same names, but for those in `kept`, which somebody has set.
std::vector<std::string> with_own_variables(std::vector<std::string> entries, const std::vector<std::string>& own,
                                            const std::vector<std::string>& kept);

/// For a program on a terminal of ours: nothing in them of the terminal of whoever starts it, but for what is in
/// `kept`.
std::vector<std::string> on_terminal(std::vector<std::string> entries, const std::vector<std::string>& kept);

/// Of `entries` those that are named.
Environment pick_variables(const std::vector<std::string>& entries, const std::vector<std::string>& names);

/// Names of `asked` whose value is another in `entries`, or missing there.
std::vector<std::string> names_that_differ(const std::vector<std::string>& entries, const Environment& asked);

}  // namespace persistproc::core
