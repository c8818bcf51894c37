/// A program whose output proves what became of it: numbered lines on both streams, and a ledger of its executions.
///
///   numbered LEDGER RATE LINES CODE STYLE
///
/// Writes lines of 40 bytes, "o 000000000 abc…" to stdout and "e 000000000 abc…" to stderr, RATE a second in all, LINES
/// to each stream, or until SIGTERM; then "o end 000000042" and "e end 000000042" with the counts, and ends with CODE.
/// STYLE 0 writes what is due every 5 ms in one write a stream, 1 each line by itself.
///
/// LEDGER is a file of zeros, shared by all executions of one process: a header (executions so far, and how many of
/// them found another one alive), then one entry each. A count in an entry goes up when its write has returned, so
/// that many lines are owed by the recorder, whatever dies. An execution that meets a living one ends with 97.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

constexpr std::size_t line_bytes = 40;
constexpr std::size_t most_entries = 255;
constexpr std::uint64_t tick_ns = 5'000'000;

struct Entry {
    std::int32_t pid;
    std::int32_t code;
    std::uint64_t out_lines, err_lines;  // whose write has returned
    std::uint32_t leaving;               // 1: everything was written, the next thing it does is to end with `code`
    std::uint32_t reserved;
    std::uint64_t asked;  // SIGTERM was seen
    std::uint64_t unused[3];
};
struct Ledger {
    std::atomic<std::uint32_t> executions;
    std::atomic<std::uint32_t> copies;
    std::uint64_t unused[7];
    Entry entries[most_entries];
};
static_assert(sizeof(Entry) == 64 && sizeof(Ledger) == 64 * 256);

volatile sig_atomic_t asked = 0;

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void put(int fd, const char* text, std::size_t size) {
    while (size > 0) {
        const ssize_t wrote = ::write(fd, text, size);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) ::_exit(9);
        text += wrote;
        size -= static_cast<std::size_t>(wrote);
    }
}

void make_line(char* at, char stream, std::uint64_t number) {
    at[0] = stream;
    at[1] = ' ';
    for (int i = 10; i >= 2; --i, number /= 10) at[i] = static_cast<char>('0' + number % 10);
    at[11] = ' ';
    for (std::size_t i = 12; i + 1 < line_bytes; ++i) at[i] = static_cast<char>('a' + i - 12);
    at[line_bytes - 1] = '\n';
}

class Stream {
public:
    Stream(int fd, char name, std::uint64_t& counted) : fd_(fd), name_(name), counted_(counted) {}

    void write_up_to(std::uint64_t end, bool line_by_line) {
        while (counted_ < end) {
            const std::uint64_t lines = line_by_line ? 1 : std::min<std::uint64_t>(end - counted_, most_lines);
            for (std::uint64_t i = 0; i < lines; ++i) make_line(block_ + i * line_bytes, name_, counted_ + i);
            put(fd_, block_, lines * line_bytes);
            std::atomic_ref(counted_).store(counted_ + lines);
        }
    }
    void say_end() {
        char text[32];
        const int size =
            std::snprintf(text, sizeof text, "%c end %09llu\n", name_, static_cast<unsigned long long>(counted_));
        put(fd_, text, static_cast<std::size_t>(size));
    }

private:
    static constexpr std::uint64_t most_lines = 1000;
    int fd_;
    char name_;
    std::uint64_t& counted_;
    char block_[most_lines * line_bytes];
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fputs("numbered: LEDGER RATE LINES CODE STYLE\n", stderr);
        return 64;
    }
    struct sigaction on_term {};
    on_term.sa_handler = [](int) { asked = 1; };
    on_term.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &on_term, nullptr);

    const int file = ::open(argv[1], O_RDWR | O_CLOEXEC);
    void* memory = file < 0 ? MAP_FAILED : ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        std::perror(argv[1]);
        return 65;
    }
    auto& ledger = *static_cast<Ledger*>(memory);
    const std::uint32_t index = ledger.executions.fetch_add(1);
    if (index >= most_entries) return 66;
    Entry& entry = ledger.entries[index];
    entry.code = std::atoi(argv[4]);
    std::atomic_ref(entry.pid).store(::getpid());
    // The kernel lets go of it at the end of the process, however it ends.
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
        ledger.copies.fetch_add(1);
        return 97;
    }

    const auto rate = static_cast<std::uint64_t>(std::atoll(argv[2]));
    const auto lines = static_cast<std::uint64_t>(std::atoll(argv[3]));
    const bool line_by_line = std::atoi(argv[5]) == 1;
    static Stream out(1, 'o', entry.out_lines), err(2, 'e', entry.err_lines);
    const std::uint64_t begin = now_ns();
    while (asked == 0 && entry.err_lines < lines) {
        const std::uint64_t due = std::min(lines, (now_ns() - begin) * rate / 2'000'000'000 + 1);
        out.write_up_to(due, line_by_line);
        err.write_up_to(due, line_by_line);
        timespec tick{0, tick_ns};
        if (due < lines) ::nanosleep(&tick, nullptr);
    }
    entry.asked = static_cast<std::uint64_t>(asked);
    out.say_end();
    err.say_end();
    std::atomic_ref(entry.leaving).store(1);
    ::_exit(entry.code);
}
