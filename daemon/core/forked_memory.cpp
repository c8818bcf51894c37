#include "daemon/core/forked_memory.hpp"

#include <algorithm>
#include <tuple>

#include "common/base/proc.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

namespace {

/// What is shared by less than that is not worth a walk: shells fork for every pipe.
constexpr std::int64_t least_shared_bytes = 4 << 20;
/// What was found of all forks of one program stands for so many times as long as finding it took.
constexpr std::uint64_t rest_factor = 50;
constexpr std::uint64_t calls_kept = 100;

std::int64_t scaled(std::int64_t part, std::int64_t of, std::int64_t to) {
    return static_cast<std::int64_t>(static_cast<double>(part) / static_cast<double>(of) * static_cast<double>(to));
}

}  // namespace

void ForkedMemory::begin() {
    ++calls_;
    left_bytes_ = walked_bytes_;
    const std::uint64_t now = base::boot_now_ns();
    std::erase_if(known_, [&](const auto& each) {
        return each.second.call + calls_kept < calls_ && each.second.stands_until < now;
    });
}

std::int64_t ForkedMemory::sum(std::vector<Member> members) {
    // Of forks the youngest first: the eldest shares with all what they share with it alone.
    const auto order = [](const Member& a, const Member& b) {
        return std::tie(a.stack_start, b.start_ticks, b.pid) < std::tie(b.stack_start, a.start_ticks, a.pid);
    };
    std::sort(members.begin(), members.end(), order);
    std::int64_t out = 0;
    for (std::span<const Member> rest = members; !rest.empty();) {
        const auto is_other = [&](const Member& each) { return each.stack_start != rest.front().stack_start; };
        const auto end = std::find_if(rest.begin(), rest.end(), is_other);
        const auto count = static_cast<std::size_t>(end - rest.begin());
        out += sum_of_forks(rest.first(count));
        rest = rest.subspan(count);
    }
    return out;
}

std::int64_t ForkedMemory::sum_of_forks(std::span<const Member> forks) {
    std::int64_t all = 0, most = 0;
    for (const Member& each : forks) {
        all += each.own_bytes;
        most = std::max(most, each.own_bytes);
    }
    if (forks.front().stack_start == 0 || all - most < least_shared_bytes) return all;
    std::int64_t asked = 0, parts = 0;
    for (const Member& each : forks) {
        const auto part = part_of(each, forks.size());
        if (!part) continue;
        asked += each.own_bytes;
        parts += *part;
    }
    // However much they share, one of them has it all.
    return asked == 0 ? all : std::clamp(scaled(parts, asked, all), most, all);
}

std::optional<std::int64_t> ForkedMemory::part_of(const Member& member, std::size_t forks) {
    Known& known = known_[member.pid];
    known.call = calls_;
    const bool is_known = known.own_bytes > 0 && known.start_ticks == member.start_ticks && known.forks == forks;
    const auto before = [&] { return scaled(known.part_bytes, known.own_bytes, member.own_bytes); };
    const std::uint64_t began = base::boot_now_ns();
    if (is_known && began < known.stands_until) return before();
    if (member.resident_bytes > left_bytes_) return is_known ? std::optional(before()) : std::nullopt;
    const auto part = base::proportional_bytes(member.pid);
    if (!part) return std::nullopt;
    left_bytes_ -= member.resident_bytes;
    const std::uint64_t now = base::boot_now_ns();
    known = {.start_ticks = member.start_ticks,
             .forks = forks,
             .own_bytes = member.own_bytes,
             .part_bytes = *part,
             .stands_until = now + (now - began) * rest_factor * forks,
             .call = calls_};
    return part;
}

}  // namespace persistproc::core
