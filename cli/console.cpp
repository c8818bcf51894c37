#include "cli/console.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "cli/format/json_text.hpp"
#include "cli/format/note.hpp"
#include "cli/reader_gone.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli {

namespace {

constexpr int failure_status = 125;

/// As base::write_all, and waits for room where the descriptor does not block.
int write_patiently(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd room{fd, POLLOUT, 0};
            ::poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

bool is_terminal() {
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

bool has_no_color_variable() {
    const char* no_color = std::getenv("NO_COLOR");
    return no_color != nullptr && *no_color != '\0';
}

/// Zeros: `fd` is no terminal.
winsize terminal_size(int fd) {
    winsize size{};
    if (::isatty(fd) != 1 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
    return size;
}

/// What the locale says by its name, whether it is installed or not: the terminal does not care.
bool takes_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        std::string word(value);
        std::erase(word, '-');
        std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
        return word.find("utf8") != std::string::npos;
    }
    return false;
}

}  // namespace

Console::Console(const CommonOptions& options)
    : output_(std::make_shared<Output>()),
      json_(options.format == OutputFormat::json),
      quiet_(options.quiet),
      colour_(!options.no_color && !has_no_color_variable() && is_terminal()),
      shuns_colour_(options.no_color || has_no_color_variable()),
      no_color_typed_(options.no_color_typed) {}

Console Console::with(const CommonOptions& options) const {
    Console out(options);
    out.output_ = output_;
    return out;
}

bool Console::leaves_out_colours(int fd) const noexcept {
    return no_color_typed_ || (shuns_colour_ && ::isatty(fd) == 1);
}

int Console::width() const noexcept { return terminal_size(STDOUT_FILENO).ws_col; }

int Console::note_width() noexcept { return terminal_size(STDERR_FILENO).ws_col; }

int Console::height() const noexcept { return terminal_size(STDOUT_FILENO).ws_row; }

std::optional<domain::TerminalSize> Console::own_terminal() noexcept {
    using S = domain::TerminalSize;
    for (const int fd : {STDOUT_FILENO, STDIN_FILENO}) {
        const winsize size = terminal_size(fd);
        if (size.ws_col == 0 || size.ws_row == 0) continue;
        return S{std::clamp<int>(size.ws_col, S::least_columns, S::most_columns),
                 std::clamp<int>(size.ws_row, S::least_rows, S::most_rows)};
    }
    return std::nullopt;
}

bool Console::can_redraw() const noexcept { return is_terminal(); }

format::TextStyle Console::style() const {
    format::TextStyle out;
    out.colour = colour_;
    out.width = width();
    out.ascii = out.width > 0 && !takes_utf8();
    if (const char* home = std::getenv("HOME"); home != nullptr && std::string_view(home).size() > 1) out.home = home;
    return out;
}

bool Console::print(std::string_view text) const {
    if (!can_print()) return false;
    const int error = write_patiently(STDOUT_FILENO, text);
    if (error != 0) output_failed(STDOUT_FILENO, error);
    return error == 0;
}

void Console::output_failed(int fd, int error) const {
    if (output_->error != 0) return;
    output_->error = is_reader_gone(fd, error) ? EPIPE : error;
    if (output_->error == EPIPE) return;
    output_->lost = true;
    const Error failure =
        base::os_failure(fd == STDERR_FILENO ? "cannot write to stderr" : "cannot write to stdout", error);
    say(failure.message);
}

int Console::final_status(int status) const noexcept { return output_->lost ? failure_status : status; }

void Console::answer(std::string_view line) const {
    if (!quiet_) print(format::answer_text(line, width()));
}

void Console::note(std::string_view text) const {
    if (!quiet_) say(text);
}

void Console::say(std::string_view text) const {
    base::write_all(STDERR_FILENO, format::note_text(text, note_width()));
}

void Console::break_line() const { base::write_all(STDERR_FILENO, "\n"); }

int Console::fail(const Error& error) const {
    if (json_)
        print(format::error_json(error));
    else
        say(error.message);
    return ops::exit_status(error);
}

}  // namespace persistproc::cli
