#pragma once
/// Where something stands in a file, and what is wrong there.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::project {

struct Place {
    std::uint32_t file = 0;              // index into the files that were read
    std::uint32_t line = 1, column = 1;  // columns in characters
    friend auto operator<=>(const Place&, const Place&) = default;
};

struct Problem {
    Place at;
    std::string what;  // one line; no value of a variable
};

/// What is wrong with a project's files, all at once, as far as it is found without guessing. In the order of the
/// files.
using Problems = std::vector<Problem>;

/// More are not collected: one mistake may be the reason of many.
inline constexpr std::size_t most_problems = 50;

/// Appends one unless there are too many.
inline void add_problem(Problems& problems, Place at, std::string what) {
    if (problems.size() < most_problems) problems.push_back({at, std::move(what)});
}

}  // namespace persistproc::project
