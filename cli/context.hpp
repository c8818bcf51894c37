#pragma once
#include <boost/asio/any_io_executor.hpp>

#include "cli/console.hpp"
#include "cli/options.hpp"

namespace persistproc::cli {

/// What every subcommand needs. Passed by value: a copy lives as long as the task that has it.
struct Context {
    boost::asio::any_io_executor executor;
    CommonOptions common;
    Console console;
};

}  // namespace persistproc::cli
