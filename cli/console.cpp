#include "cli/console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/format/json_text.hpp"
#include "common/api/error.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

bool wants_colour() {
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color != nullptr && *no_color != '\0') return false;
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

Console::Console(const CommonOptions& options)
    : json_(options.format == OutputFormat::json), quiet_(options.quiet), colour_(wants_colour()) {}

int Console::width() const noexcept {
    winsize size{};
    if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

void Console::print(std::string_view text) const { base::write_all(STDOUT_FILENO, text); }

void Console::note(std::string_view text) const {
    if (quiet_) return;
    base::write_all(STDERR_FILENO, fmt::format("persistproc: {}\n", base::escape_line(text)));
}

void Console::break_line() const { base::write_all(STDERR_FILENO, "\n"); }

int Console::fail(const Error& error) const {
    if (json_)
        print(format::error_json(error));
    else
        base::write_all(STDERR_FILENO, fmt::format("persistproc: {}\n", base::escape_line(error.message)));
    return api::exit_status(error);
}

}  // namespace persistproc::cli
