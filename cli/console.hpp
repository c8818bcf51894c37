#pragma once
/// Where the client's answers and its own messages go. Answers to stdout, messages to stderr; nothing is buffered.
///
/// An answer that could not be written is no success: the first failure is said on stderr, and `final_status` makes it
/// the client's exit status. A reader that has gone (`| head -1`) is no failure: what nobody reads is not missed.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/format/text_style.hpp"
#include "cli/options.hpp"
#include "common/base/result.hpp"
#include "common/domain/terminal.hpp"

namespace persistproc::cli {

/// An end that takes longer is told.
inline constexpr std::chrono::nanoseconds silence_bound = std::chrono::seconds(1);

class Console {
public:
    explicit Console(const CommonOptions& options);
    /// The same, with other options.
    Console with(const CommonOptions& options) const;

    bool json() const noexcept { return json_; }
    bool quiet() const noexcept { return quiet_; }
    /// Colours: stdout is a terminal, and neither --no-color nor NO_COLOR nor TERM=dumb says otherwise.
    bool colour() const noexcept { return colour_; }
    /// Whether what a program prints is shown there without its own colours: where --no-color was typed, and on a
    /// terminal where no colours are wanted. What is redirected may be no text, and stays as it is.
    bool leaves_out_colours(int fd) const noexcept;
    /// Columns of the terminal on stdout; 0: it is none, or does not say.
    int width() const noexcept;
    /// Of the one on stderr, where notes go.
    static int note_width() noexcept;
    /// Lines of the terminal on stdout.
    int height() const noexcept;
    /// Of the terminal on stdin or stdout, brought within what a program's may have. Nothing: neither is one, or it
    /// does not say.
    static std::optional<domain::TerminalSize> own_terminal() noexcept;
    /// The terminal on stdout moves its cursor when it is told to.
    bool can_redraw() const noexcept;
    /// How to write for people on stdout.
    format::TextStyle style() const;

    /// Text as it is, to stdout. Waits for a slow reader, also where stdout was made non-blocking. False: not all was
    /// written, now or before, and nothing more will be.
    bool print(std::string_view text) const;
    /// False once `print` has failed.
    bool can_print() const noexcept { return output_->error == 0; }
    /// What to do about a write to `fd` that failed with `error` (an errno): says so, unless the reader has gone.
    void output_failed(int fd, int error) const;
    /// The exit status of a command that ended with `status`: 125 if something it had to print was lost.
    int final_status(int status) const noexcept;
    /// A line on stdout that only says that something was done, unless -q.
    void answer(std::string_view line) const;
    /// "persistproc: <text>" on stderr, in lines as wide as the terminal there, unless -q.
    void note(std::string_view text) const;
    /// As `note`, also with -q.
    void say(std::string_view text) const;
    /// Ends the line of the program that the terminal stands in, before a note.
    void break_line() const;
    /// Shows the failure in the format asked for and returns the exit status that belongs to it.
    int fail(const Error& error) const;

private:
    struct Output {
        int error = 0;  // the first; EPIPE for a reader that has gone
        bool lost = false;
    };

    std::shared_ptr<Output> output_;  // of all copies
    bool json_ = false, quiet_ = false, colour_ = false;
    bool shuns_colour_ = false, no_color_typed_ = false;
};

}  // namespace persistproc::cli
