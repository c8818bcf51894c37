#pragma once
/// Memory of programs that fork and go on without another execve, as the workers of a server do. What no side has
/// written to since (copy on write) is there once, and counted as each one's own by all that is cheap to ask. Only a
/// walk of its page tables tells, some 150 us for a MiB: so each of them is asked seldom, few in one call, and the
/// others are taken to be like those that were.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace persistproc::core {

/// Blocks; one thread at a time.
class ForkedMemory {
public:
    struct Member {
        pid_t pid = 0;
        std::uint64_t start_ticks = 0;
        std::uint64_t stack_start = 0;  // base::Activity: the same in all that forked from each other
        std::int64_t resident_bytes = 0;
        std::int64_t own_bytes = 0;  // of these: neither of files nor shared on purpose
    };

    /// `walked_bytes`: how much of the members' resident memory is walked in one call at most.
    explicit ForkedMemory(std::int64_t walked_bytes = std::int64_t{3} << 29) : walked_bytes_(walked_bytes) {}

    /// Another call begins: of those that the last ones did not name nothing is kept.
    void begin();

    /// What the members of one tree have of their own, with what forks share counted once, as far as that is known.
    std::int64_t sum(std::vector<Member> members);

private:
    struct Known {
        std::uint64_t start_ticks = 0;
        std::size_t forks = 0;       // how many they were
        std::int64_t own_bytes = 0;  // when it was walked; 0: it was not
        std::int64_t part_bytes = 0;
        std::uint64_t stands_until = 0;  // boot clock, ns
        std::uint64_t call = 0;
    };

    std::int64_t sum_of_forks(std::span<const Member> forks);
    std::optional<std::int64_t> part_of(const Member& member, std::size_t forks);

    std::int64_t walked_bytes_;
    std::int64_t left_bytes_ = 0;  // in this call
    std::uint64_t calls_ = 0;
    std::unordered_map<pid_t, Known> known_;
};

}  // namespace persistproc::core
