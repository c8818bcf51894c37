#include "common/base/diagnostics.hpp"

#include <unistd.h>

#include <atomic>

#include "common/base/file.hpp"
#include "common/base/text.hpp"

namespace persistproc::base {

namespace {

std::atomic<Severity> most_shown{Severity::info};
std::string program_name = "persistproc";

}  // namespace

void set_verbosity(Severity most) noexcept { most_shown = most; }
void set_program_name(std::string_view name) { program_name = name; }

void report(Severity severity, std::string_view text) noexcept {
    if (severity > most_shown.load(std::memory_order_relaxed)) return;
    try {
        const char* kind = severity == Severity::error ? "error: " : severity == Severity::warning ? "warning: " : "";
        write_all(STDERR_FILENO, fmt::format("{}: {}{}\n", program_name, kind, escape_line(text)));
    } catch (...) {
        // No memory for a message: nothing sensible is left to say.
    }
}

}  // namespace persistproc::base
