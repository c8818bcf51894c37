// simulate --steps N --seed S [--until STEP] [--print]
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/base/diagnostics.hpp"
#include "tests/simulation/history.hpp"

namespace {

using namespace persistproc;

constexpr const char* usage =
    "Usage: simulate [--steps N] [--seed S] [--until STEP] [--print] [--keep-going]\n"
    "  --steps N     steps in all, in histories of 2000 each with the seeds S, S+1, …  (default 100000; 1e7 is "
    "understood)\n"
    "  --seed S      the first seed (default 1)\n"
    "  --until STEP  of the one history of that seed, and its tail whether or not it fails\n"
    "  --print       everything that happens\n"
    "  --keep-going  over failures, of which only the last lines are shown\n";

struct Options {
    std::uint64_t steps = 100'000, seed = 1, until = 0;
    bool prints = false, keeps_going = false;
};

/// Accepts 100000, 1e7 and 10^7.
bool read_number(const char* text, std::uint64_t& out) {
    char* end = nullptr;
    if (const char* power = std::strchr(text, '^')) {
        const std::uint64_t base = std::strtoull(text, &end, 10);
        const std::uint64_t exponent = std::strtoull(power + 1, &end, 10);
        out = 1;
        for (std::uint64_t i = 0; i < exponent; ++i) out *= base;
    } else if (std::strpbrk(text, "eE") != nullptr) {
        out = static_cast<std::uint64_t>(std::strtod(text, &end));
    } else {
        out = std::strtoull(text, &end, 10);
    }
    return end != nullptr && *end == '\0';
}

void print_tail(const simulation::Record& record, std::size_t lines) {
    const auto& tail = record.tail();
    for (std::size_t i = tail.size() > lines ? tail.size() - lines : 0; i < tail.size(); ++i)
        std::printf("%s\n", tail[i].c_str());
}

/// Nothing: an invariant broke, and was shown.
std::optional<std::uint64_t> run_history(std::uint64_t seed, std::uint64_t steps, const Options& options) {
    simulation::History history(seed);
    history.world.record.prints_all = options.prints;
    while (history.world.record.step < steps && history.step()) {
    }
    const auto& record = history.world.record;
    if (record.violation()) {
        if (!options.prints && !options.keeps_going) print_tail(record, 150);
        std::printf("\nseed %llu, step %llu: %s\nagain: simulate --seed %llu --until %llu\n",
                    static_cast<unsigned long long>(seed), static_cast<unsigned long long>(record.step),
                    record.violation()->c_str(), static_cast<unsigned long long>(seed),
                    static_cast<unsigned long long>(record.step));
        return std::nullopt;
    }
    if (options.until != 0 && !options.prints) print_tail(record, 400);
    return record.hash();
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string flag = arguments[i];
        std::uint64_t* const number = flag == "--steps"   ? &options.steps
                                      : flag == "--seed"  ? &options.seed
                                      : flag == "--until" ? &options.until
                                                          : nullptr;
        if (flag == "--print") {
            options.prints = true;
        } else if (flag == "--keep-going") {
            options.keeps_going = true;
        } else if (number == nullptr || i + 1 >= count || !read_number(arguments[++i], *number)) {
            std::fputs(usage, flag == "--help" ? stdout : stderr);
            return flag == "--help" ? 0 : 2;
        }
    }
    base::set_verbosity(base::Severity::error);
    if (options.until != 0) return run_history(options.seed, options.until, options) ? 0 : 1;
    std::uint64_t done = 0, hash = 0, failures = 0;
    for (std::uint64_t seed = options.seed; done < options.steps; ++seed) {
        const std::uint64_t steps = std::min(simulation::steps_of_a_history, options.steps - done);
        const auto result = run_history(seed, steps, options);
        if (!result && !options.keeps_going) return 1;
        failures += result ? 0 : 1;
        hash = hash * 31 + result.value_or(0);
        done += steps;
    }
    if (failures > 0) {
        std::printf("%llu histories failed\n", static_cast<unsigned long long>(failures));
        return 1;
    }
    std::printf("%llu steps from seed %llu: all invariants hold (%016llx)\n", static_cast<unsigned long long>(done),
                static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(hash));
    return 0;
}
