#pragma once
/// Where the client's answers and its own messages go. Answers to stdout, messages to stderr; nothing is buffered.
#include <string>
#include <string_view>

#include "cli/options.hpp"
#include "common/base/result.hpp"

namespace persistproc::cli {

class Console {
public:
    explicit Console(const CommonOptions& options);

    bool json() const noexcept { return json_; }
    bool quiet() const noexcept { return quiet_; }
    /// Colours: stdout is a terminal, and neither NO_COLOR nor TERM=dumb says otherwise.
    bool colour() const noexcept { return colour_; }
    /// Columns of the terminal on stdout; 0: it is none.
    int width() const noexcept;

    /// Text as it is. A closed reader is no failure: what nobody reads is not missed.
    void print(std::string_view text) const;
    /// "persistproc: <text>" on stderr, unless -q.
    void note(std::string_view text) const;
    /// Ends the line of the program that the terminal stands in, before a note.
    void break_line() const;
    /// Shows the failure in the format asked for and returns the exit status that belongs to it.
    int fail(const Error& error) const;

private:
    bool json_ = false, quiet_ = false, colour_ = false;
};

}  // namespace persistproc::cli
