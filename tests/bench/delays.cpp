/// delays LINES SECONDS FILE…: looks into the files every millisecond for lines of `steady`, until it has seen so many
/// of all of them, or for so long. One line of JSON: lines, how many of them are not the next of their file, and the
/// delay from write to file in microseconds: p50, p99, max.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace {

long long now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

struct File {
    const char* path;
    int fd = -1;
    std::string part;  // of a line
    long next = 0;
};

struct Seen {
    std::vector<long> delays_us;
    long wrong = 0;
};

void take(File& file, Seen& seen, const char* begin, const char* end) {
    const long long now = now_ns();
    for (const char* at = begin; at != end;) {
        const char* const newline = std::find(at, end, '\n');
        file.part.append(at, newline);
        if (newline == end) return;
        char* rest = nullptr;
        const long long written = std::strtoll(file.part.c_str(), &rest, 10);
        const long number = std::strtol(rest, nullptr, 10);
        if (number != file.next) ++seen.wrong;
        file.next = number + 1;
        seen.delays_us.push_back(static_cast<long>((now - written) / 1000));
        file.part.clear();
        at = newline + 1;
    }
}

}  // namespace

int main(int count, char** words) {
    if (count < 4) return 2;
    const std::size_t wanted = static_cast<std::size_t>(std::atoll(words[1]));
    const long long end = now_ns() + std::atoll(words[2]) * 1'000'000'000;
    std::vector<File> files;
    for (int i = 3; i < count; ++i) files.push_back({words[i]});
    std::vector<char> buffer(1 << 20);
    Seen seen;
    while (seen.delays_us.size() < wanted && now_ns() < end) {
        for (auto& file : files) {
            if (file.fd < 0) file.fd = ::open(file.path, O_RDONLY | O_CLOEXEC);
            const ssize_t size = file.fd < 0 ? 0 : ::read(file.fd, buffer.data(), buffer.size());
            if (size > 0) take(file, seen, buffer.data(), buffer.data() + size);
        }
        const timespec pause{0, 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
    auto& all = seen.delays_us;
    if (all.empty()) return 1;
    std::sort(all.begin(), all.end());
    std::printf("{\"lines\": %zu, \"wrong\": %ld, \"p50\": %ld, \"p99\": %ld, \"max\": %ld}\n", all.size(), seen.wrong,
                all[all.size() / 2], all[all.size() * 99 / 100], all.back());
    return 0;
}
