#pragma once
#include <string>
#include <vector>

namespace persistproc::cli {

/// The whole client: reads the command line (without the program's name), does what it says, returns the exit status.
int run_program(const std::vector<std::string>& arguments);

}  // namespace persistproc::cli
