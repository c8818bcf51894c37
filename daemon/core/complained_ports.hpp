#pragma once
/// Which port a program may mean that found one taken.
#include <string>
#include <vector>

namespace persistproc::core {

/// Numbers in what it printed, then those that its project gives it, then in its command, the likelier ones first.
/// Empty: it said nothing of the kind. Pure.
std::vector<int> ports_complained_of(const std::vector<std::string>& lines, const std::vector<int>& given,
                                     const std::vector<std::string>& command);

/// Those in the words that can be ports, in order. Pure.
std::vector<int> numbers_in(const std::vector<std::string>& words);

}  // namespace persistproc::core
