/// launch COUNT COMMAND…: runs the command COUNT times, one after the other, its output discarded; "{}" in a word is
/// the number of the run. One line per run: monotonic nanoseconds before the fork, and after the exit.
/// Exits 1 when a run did.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

}  // namespace

int main(int count, char** words) {
    if (count < 3) return 2;
    const int times = std::atoi(words[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (int run = 0; run < times; ++run) {
        std::vector<std::string> texts;
        for (int i = 2; i < count; ++i) {
            std::string text = words[i];
            if (const auto at = text.find("{}"); at != std::string::npos) text.replace(at, 2, std::to_string(run));
            texts.push_back(std::move(text));
        }
        std::vector<char*> argv;
        for (auto& text : texts) argv.push_back(text.data());
        argv.push_back(nullptr);
        pid_t pid = 0;
        const long long began = now_ns();
        if (::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
            std::fprintf(stderr, "launch: cannot start %s\n", argv[0]);
            return 1;
        }
        int status = 0;
        if (::waitpid(pid, &status, 0) != pid || status != 0) {
            std::fprintf(stderr, "launch: run %d of %s ended with wait status %d\n", run, argv[0], status);
            return 1;
        }
        std::printf("%lld %lld\n", began, now_ns());
    }
    return 0;
}
