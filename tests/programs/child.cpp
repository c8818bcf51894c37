/// The program that end-to-end tests put under a keeper: one scripted child instead of shell lines.
///
///   child VERB [ARGUMENT…] [, VERB [ARGUMENT…]]…      verbs are done in order; the end is exit 0
///
///   print N [PREFIX]      N lines "PREFIX 1" … "PREFIX N" to stdout, PREFIX "line" by default, in large writes
///   print-err N [PREFIX]  the same to stderr
///   chat N MICROSECONDS   N lines "line i", each its own write, with a pause between
///   both N                N times one line "out i" to stdout and one "err i" to stderr, each its own write
///   text WORD             WORD to stdout, no newline                 text-err WORD   the same to stderr
///   line WORD             WORD and a newline to stdout               line-err WORD   the same to stderr
///   prompt                "name? " to stdout, no newline
///   random SIZE SEED      SIZE bytes of xorshift64* to stdout (see `next_random`; tests build the same)
///   bulk BYTES            lines of 80 bytes, BYTES in all, 64 KiB a write
///   flood STOP COUNT      lines of 80 bytes, 8 KiB a write, until the file STOP exists; then the number of bytes that
///                         were written goes into the file COUNT
///   exit N                exit status N, at once
///   kill SIGNAL           the signal of that number to itself, by default disposition
///   ignore SIGNAL         ignores the signal from here on            ignore-term     the same for SIGTERM
///   on-term WORD N        at SIGTERM: WORD and a newline to stdout, exit N
///   sleep MILLISECONDS    nothing, for that long
///   wait                  nothing, until a signal ends it
///   until-file PATH       nothing, until PATH exists
///   touch PATH            creates PATH
///   write-fd FD TEXT      writes TEXT to that descriptor; exits 9 when it cannot
///   fds                   the numbers of all open descriptors, one line
///   args …                each further argument as "<length>:<bytes>\n", to the end of the command line
///   env [NAME]            the whole environment, one variable a line, or the value of one ("unset" without it)
///   cwd | umask | pid     the fact, one line
///   status                "sid=own|other blocked=N ignored=N stdin=null|other" one line
///   fork VERB …           the rest of the command line in a child of the same group; this one goes on waiting for
///                         nobody: it exits 0
///   fork-wait VERB …      the same, but then waits until a signal ends it
///   setsid-spawn          a child in a session of its own that ignores SIGTERM, holds no pipe and waits; prints
///                         its pid as "spawned PID" and goes on
///   spawn-closed          like setsid-spawn, in the same session and with SIGTERM as default
///   fork-bomb N           N generations that fork on and exit, each ignoring SIGTERM, then wait
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

void put(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t wrote = ::write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) ::_exit(9);
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
}

std::uint64_t next_random(std::uint64_t& state) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717ull;
}

std::string term_word;
int term_status = 0;
void on_term(int) {
    put(1, term_word);
    ::_exit(term_status);
}

void wait_forever() {
    for (;;) ::pause();
}

void pause_for(long microseconds) {
    timespec left{microseconds / 1000000, microseconds % 1000000 * 1000};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void print_lines(int fd, long count, const std::string& prefix) {
    std::string block;
    for (long i = 1; i <= count; ++i) {
        block += prefix + " " + std::to_string(i) + "\n";
        if (block.size() < 60000 && i != count) continue;
        put(fd, block);
        block.clear();
    }
}

void print_random(std::size_t size, std::uint64_t seed) {
    std::string bytes;
    bytes.reserve(size + 8);
    while (bytes.size() < size) {
        const std::uint64_t word = next_random(seed);
        bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    put(1, std::string_view(bytes).substr(0, size));
}

void print_bulk(std::uint64_t total) {
    std::string block;
    while (block.size() + 80 <= 65536) block += std::string(79, static_cast<char>('a' + block.size() / 80 % 26)) + "\n";
    for (std::uint64_t done = 0; done < total;) {
        const auto now = std::min<std::uint64_t>(block.size(), total - done);
        put(1, std::string_view(block).substr(0, now));
        done += now;
    }
}

void flood(const std::string& stop, const std::string& count) {
    std::string block;
    while (block.size() + 80 <= 8192) block += std::string(79, static_cast<char>('a' + block.size() / 80 % 26)) + "\n";
    std::uint64_t done = 0;
    for (; ::access(stop.c_str(), F_OK) != 0; done += block.size()) put(1, block);
    const int report = ::open(count.c_str(), O_CREAT | O_WRONLY, 0666);
    put(report, std::to_string(done));
    ::close(report);
}

void print_descriptors() {
    std::string found;
    for (int fd = 0; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0) found += (found.empty() ? "" : " ") + std::to_string(fd);
    put(1, found + "\n");
}

void print_status() {
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    int blocked_count = 0, ignored_count = 0;
    for (int number = 1; number < 32; ++number) {
        blocked_count += sigismember(&blocked, number) == 1;
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0) ignored_count += now.sa_handler == SIG_IGN;
    }
    struct stat in {
    }, null{};
    const bool null_in = ::fstat(0, &in) == 0 && ::stat("/dev/null", &null) == 0 && in.st_rdev == null.st_rdev;
    put(1, std::string("sid=") + (::getsid(0) == ::getpid() ? "own" : "other") +
               " blocked=" + std::to_string(blocked_count) + " ignored=" + std::to_string(ignored_count) +
               " stdin=" + (null_in ? "null" : "other") + "\n");
}

void spawn_without_pipes(bool own_session) {
    int ready[2];
    if (::pipe(ready) != 0) ::_exit(9);
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (own_session) {
            ::setsid();
            ::signal(SIGTERM, SIG_IGN);
        }
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 1);
        ::dup2(null, 2);
        put(ready[1], "x");
        for (int fd = 3; fd < 64; ++fd) ::close(fd);
        wait_forever();
    }
    ::close(ready[1]);
    char byte;
    while (::read(ready[0], &byte, 1) < 0 && errno == EINTR) {
    }
    ::close(ready[0]);
    put(1, "spawned " + std::to_string(pid) + "\n");
}

void fork_bomb(long generations) {
    ::signal(SIGTERM, SIG_IGN);
    for (long i = 0; i < generations; ++i) {
        const pid_t pid = ::fork();
        if (pid > 0 && i % 2 == 0) ::_exit(0);
        if (pid > 0) break;
        if (i % 3 == 0) ::setsid();
    }
    wait_forever();
}

class Script {
public:
    explicit Script(std::vector<std::string> words) : words_(std::move(words)) {}

    void run() {
        while (at_ < words_.size()) {
            const std::string verb = take();
            step(verb);
            if (at_ < words_.size() && words_[at_] == ",") ++at_;
        }
    }

private:
    bool more() const { return at_ < words_.size() && words_[at_] != ","; }
    std::string take() {
        if (!more()) usage();
        return words_[at_++];
    }
    std::string take_or(const char* otherwise) { return more() ? take() : otherwise; }
    long number() { return std::atol(take().c_str()); }
    [[noreturn]] static void usage() {
        put(2, "child: unknown or incomplete verb; see tests/programs/child.cpp\n");
        ::_exit(64);
    }

    void step(const std::string& verb) {
        if (verb == "print" || verb == "print-err") {
            const long count = number();
            print_lines(verb == "print" ? 1 : 2, count, take_or("line"));
        } else if (verb == "chat") {
            const long count = number(), microseconds = number();
            for (long i = 1; i <= count; ++i) {
                put(1, "line " + std::to_string(i) + "\n");
                if (microseconds > 0) pause_for(microseconds);
            }
        } else if (verb == "both") {
            const long count = number();
            for (long i = 1; i <= count; ++i) {
                put(1, "out " + std::to_string(i) + "\n");
                put(2, "err " + std::to_string(i) + "\n");
            }
        } else if (verb == "text" || verb == "text-err") {
            put(verb == "text" ? 1 : 2, take());
        } else if (verb == "line" || verb == "line-err") {
            put(verb == "line" ? 1 : 2, take() + "\n");
        } else if (verb == "prompt") {
            put(1, "name? ");
        } else if (verb == "random") {
            const auto size = static_cast<std::size_t>(number());
            print_random(size, static_cast<std::uint64_t>(number()));
        } else if (verb == "bulk") {
            print_bulk(static_cast<std::uint64_t>(number()));
        } else if (verb == "flood") {
            const std::string stop = take();
            flood(stop, take());
        } else if (verb == "write-fd") {
            const auto fd = static_cast<int>(number());
            put(fd, take());
        } else {
            step_process(verb);
        }
    }

    void step_process(const std::string& verb) {
        if (verb == "exit") {
            ::_exit(static_cast<int>(number()));
        } else if (verb == "kill") {
            const auto signal = static_cast<int>(number());
            ::signal(signal, SIG_DFL);
            ::kill(::getpid(), signal);
            wait_forever();
        } else if (verb == "ignore") {
            ::signal(static_cast<int>(number()), SIG_IGN);
        } else if (verb == "ignore-term") {
            ::signal(SIGTERM, SIG_IGN);
        } else if (verb == "on-term") {
            term_word = take() + "\n";
            term_status = static_cast<int>(number());
            ::signal(SIGTERM, on_term);
        } else if (verb == "sleep") {
            pause_for(number() * 1000);
        } else if (verb == "wait") {
            wait_forever();
        } else if (verb == "until-file") {
            const std::string path = take();
            while (::access(path.c_str(), F_OK) != 0) pause_for(2000);
        } else if (verb == "touch") {
            ::close(::open(take().c_str(), O_CREAT | O_WRONLY, 0666));
        } else if (verb == "fork" || verb == "fork-wait") {
            const pid_t pid = ::fork();
            if (pid == 0) return;
            if (verb == "fork-wait") wait_forever();
            ::_exit(0);
        } else if (verb == "setsid-spawn" || verb == "spawn-closed") {
            spawn_without_pipes(verb == "setsid-spawn");
        } else if (verb == "fork-bomb") {
            fork_bomb(number());
        } else {
            step_fact(verb);
        }
    }

    void step_fact(const std::string& verb) {
        if (verb == "fds") {
            print_descriptors();
        } else if (verb == "args") {
            for (; at_ < words_.size(); ++at_) put(1, std::to_string(words_[at_].size()) + ":" + words_[at_] + "\n");
        } else if (verb == "env") {
            if (more()) {
                const char* value = std::getenv(take().c_str());
                put(1, std::string(value == nullptr ? "unset" : value) + "\n");
            } else {
                for (char** variable = environ; *variable != nullptr; ++variable) put(1, std::string(*variable) + "\n");
            }
        } else if (verb == "cwd") {
            char path[4096];
            put(1, std::string(::getcwd(path, sizeof path)) + "\n");
        } else if (verb == "umask") {
            const mode_t mask = ::umask(0);
            ::umask(mask);
            const char digits[] = {static_cast<char>('0' + mask / 64 % 8), static_cast<char>('0' + mask / 8 % 8),
                                   static_cast<char>('0' + mask % 8), '\n'};
            put(1, std::string_view(digits, sizeof digits));
        } else if (verb == "pid") {
            put(1, std::to_string(::getpid()) + "\n");
        } else if (verb == "status") {
            print_status();
        } else {
            usage();
        }
    }

    std::vector<std::string> words_;
    std::size_t at_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Script(std::vector<std::string>(argv + 1, argv + argc)).run();
    return 0;
}
