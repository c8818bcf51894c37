/// steady GO PER_SECOND SECONDS: once the file GO exists, so many lines a second, a hundredth of them at once, as a
/// server answers requests: each a write of its own, of 80 bytes. A line begins with the monotonic time of its write,
/// in nanoseconds, and with its number.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

timespec time_of(long long ns) {
    return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

long long now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) return 2;
    while (::access(words[1], F_OK) != 0) ::usleep(5000);
    const long long begin = now_ns();
    const long at_once = std::atol(words[2]) / 100, bursts = std::atol(words[3]) * 100;
    char line[81];
    for (long burst = 0, number = 0; burst < bursts; ++burst) {
        const timespec due = time_of(begin + burst * 10'000'000);
        while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) != 0) {
        }
        for (long i = 0; i < at_once; ++i) {
            std::memset(line, '.', sizeof line);
            const int used = std::snprintf(line, sizeof line, "%lld %ld ", now_ns(), number++);
            line[used] = '.';
            line[79] = '\n';
            if (::write(1, line, 80) != 80) return 1;
        }
    }
    return 0;
}
