/// stamp [FILE [stay]]: appends the monotonic time in nanoseconds to FILE, as the first thing it does; nothing without
/// FILE. With `stay` it then waits until a signal ends it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

int main(int count, char** words) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    if (count < 2) return 0;
    const int fd = ::open(words[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    char line[32];
    const int size = std::snprintf(line, sizeof line, "%lld%09ld\n", static_cast<long long>(now.tv_sec), now.tv_nsec);
    if (fd < 0 || ::write(fd, line, static_cast<std::size_t>(size)) != size) return 1;
    while (count > 2) ::pause();
    return 0;
}
