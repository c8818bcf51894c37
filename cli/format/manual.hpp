#pragma once
/// The manual, as sources for man(1): subcommands and flags from their table, prose from here. Pure.
#include <span>
#include <string>
#include <string_view>

namespace persistproc::cli::format {

/// A variable or a file that a page explains.
struct ManualEntry {
    enum Page : unsigned char { client = 1, daemon = 2, both = 3 };
    std::string_view name;
    Page page;  // of the program that reads it
    std::string_view text;
};
/// Every variable of the environment that is ours to explain.
std::span<const ManualEntry> known_variables();

/// persistproc(1).
std::string client_manual();
/// persistprocd(8). `help`: what the daemon prints of its own flags.
std::string daemon_manual(std::string_view help);

}  // namespace persistproc::cli::format
