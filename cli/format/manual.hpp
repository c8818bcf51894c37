#pragma once
/// The manual, as sources for man(1): subcommands and flags from their table, prose from here. Pure.
#include <string>
#include <string_view>

namespace persistproc::cli::format {

/// persistproc(1).
std::string client_manual();
/// persistprocd(8). `help`: what the daemon prints of its own flags.
std::string daemon_manual(std::string_view help);

}  // namespace persistproc::cli::format
