#include "common/base/diagnostics.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>

#include "common/base/file.hpp"
#include "common/base/repeats.hpp"
#include "common/base/text.hpp"

namespace persistproc::base {

namespace {

std::atomic<Severity> most_shown{Severity::info};
std::string program_name = "persistproc";

struct KeptLog {
    std::filesystem::path file;
    std::uint64_t bytes = 0;
    std::mutex mutex;  // guards the rest
    Repeats repeats;
};
std::atomic<KeptLog*> kept_log = nullptr;  // never given back: threads may speak until the very end

void write_line(const char* kind, std::string_view text) {
    write_all(STDERR_FILENO, fmt::format("{}: {}{}\n", program_name, kind, text));
}

/// What cannot be done now is tried at the next message.
void bound(const KeptLog& log) {
    struct stat ours {
    }, found{};
    if (::fstat(STDERR_FILENO, &ours) != 0 || !S_ISREG(ours.st_mode)) return;
    if (static_cast<std::uint64_t>(ours.st_size) <= log.bytes) return;
    if (::stat(log.file.c_str(), &found) != 0 || found.st_dev != ours.st_dev || found.st_ino != ours.st_ino) return;
    const std::string name = log.file.native(), next = name + ".new", old = name + ".1";
    const auto begun = open_file(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW);
    if (!begun || ::rename(name.c_str(), old.c_str()) != 0) return;
    if (::rename(next.c_str(), name.c_str()) != 0) {
        ::rename(old.c_str(), name.c_str());
        return;
    }
    ::dup2(begun->get(), STDERR_FILENO);
}

}  // namespace

void keep_log(std::filesystem::path file, std::uint64_t bytes) {
    auto log = std::make_unique<KeptLog>();
    log->file = std::move(file);
    log->bytes = bytes;
    kept_log = log.release();
}

void set_verbosity(Severity most) noexcept { most_shown = most; }
void set_program_name(std::string_view name) { program_name = name; }

void report(Severity severity, std::string_view text) noexcept {
    if (severity > most_shown.load(std::memory_order_relaxed)) return;
    try {
        const char* kind = severity == Severity::error ? "error: " : severity == Severity::warning ? "warning: " : "";
        const std::string line = escape_line(text);
        KeptLog* const log = kept_log;
        if (log == nullptr) return write_line(kind, line);
        const std::lock_guard lock(log->mutex);
        for (const auto& each : log->repeats.take(kind + line, std::chrono::steady_clock::now())) write_line("", each);
        bound(*log);
    } catch (...) {
        // No memory for a message: nothing sensible is left to say.
    }
}

}  // namespace persistproc::base
