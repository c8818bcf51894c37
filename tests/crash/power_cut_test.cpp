/// The power goes at every moment of a run, and of two runs of one process, one after the other: what was written and
/// not synced is dropped, file by file, in part, or out of order; names that no directory's sync has covered may be
/// gone, and so may be what the daemon wrote before it. What the next daemon finds is never an outcome that was not,
/// and never taken for a start that came to nothing.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "common/base/random.hpp"
#include "common/logstore/reader.hpp"
#include "common/rundir/control.hpp"
#include "common/rundir/frame.hpp"
#include "common/rundir/state.hpp"
#include "daemon/core/found.hpp"
#include "daemon/core/run_files.hpp"
#include "tests/crash/fault_layer.hpp"
#include "tests/crash/shim_trial.hpp"
#include "tests/support/catch.hpp"

using namespace persistproc;
using namespace persistproc::tests;
namespace fs = std::filesystem;

namespace {

constexpr ProcessId the_process{1};
constexpr base::BootId next_boot{9};
constexpr std::ptrdiff_t all_lines = 241;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Happened {
    JournalEntry entry;
    std::string payload;
    std::uint32_t run = 1;
};

std::vector<Happened> read_journal(const fs::path& path, std::uint32_t run = 1) {
    std::vector<Happened> out;
    std::ifstream file(path, std::ios::binary);
    JournalEntry entry{};
    while (file.read(reinterpret_cast<char*>(&entry), sizeof entry) && entry.what != Entry::none) {
        std::string payload((entry.size + 7) / 8 * 8, '\0');
        file.read(payload.data(), static_cast<std::streamsize>(payload.size()));
        payload.resize(entry.size);
        out.push_back({entry, std::move(payload), run});
    }
    return out;
}

/// What of the unsynced survives.
enum class Survival { nothing, a_prefix, sectors };

/// The files of a run as the daemon makes them before there is a shim. They are synced a second later.
struct Made {
    std::string spec, state;
    bool is_durable = true;

    /// What is left of one of them; nothing: not even its name.
    std::optional<std::string> left_of(const std::string& whole, std::mt19937& random) const {
        const unsigned what = is_durable ? 3 : random() % 4;
        if (what == 0) return std::nullopt;
        return what == 1 ? std::string() : what == 2 ? std::string(whole.size(), '\0') : whole;
    }
};

/// The disk as the calls so far left it: what is durable, and what may be.
class Disk {
public:
    void happen(const Happened& event) {
        const std::uint64_t inode = event.entry.file;
        begun = std::max(begun, event.run);
        switch (event.entry.what) {
            case Entry::opened: open(inode, event); break;
            case Entry::wrote:
            case Entry::cut: files_[inode].pending.push_back(event); break;
            case Entry::synced: settle(inode, files_[inode].pending.size()); break;
            case Entry::syncing: files_[inode].begun = files_[inode].pending.size(); break;
            case Entry::collected:
                for (auto& [number, file] : files_) settle(number, file.begun);
                break;
            case Entry::unlinked: break;  // `ctl` alone: the bound is not reached
            case Entry::told: hear(event.payload, event.run); break;
            case Entry::none: break;
        }
    }

    /// Makes the directories of the runs that have begun below `data` as they are after the cut; `made`: of each run.
    void write(const fs::path& data, Survival survival, const std::vector<Made>& made, std::mt19937& random) const {
        const fs::path runs = data / "procs/p1/runs", log = data / "procs/p1/log";
        fs::create_directories(log);
        std::map<std::uint32_t, std::optional<std::string>> states;
        for (std::uint32_t number = 1; number <= begun; ++number) {
            const Made& own = made[number - 1];
            // Of a restarted process the new run's directory may be missing; of a new one, see registry_test.
            if (number > 1 && !own.is_durable && random() % 4 == 0) continue;
            const fs::path run = runs / std::to_string(number);
            fs::create_directories(run);
            if (const auto spec = own.left_of(own.spec, random)) std::ofstream(run / "spec", std::ios::binary) << *spec;
            states[number] = own.left_of(own.state, random);
            if (states[number]) std::ofstream(run / "state", std::ios::binary) << *states[number];
        }
        // Journaling file systems bring names back in the order of their making.
        const std::size_t names = survival == Survival::nothing ? 0 : random() % (names_made_ + 1);
        for (const auto& [inode, file] : files_) {
            if (file.name.empty()) continue;
            const bool is_state = file.name == "state";
            const auto state = states.find(file.run);
            if (!file.name_durable && file.made > names) continue;
            if (is_state && (state == states.end() || (file.durable.empty() && !state->second))) continue;
            std::string bytes = is_state && file.durable.empty() ? *state->second : file.durable;
            if (survival == Survival::a_prefix) {
                const std::size_t count = random() % (file.pending.size() + 1);
                for (std::size_t i = 0; i < count; ++i) {
                    Happened part = file.pending[i];
                    // A slot of the state lies within one sector.
                    const bool torn = i + 1 == count && !is_state && random() % 2 == 0;
                    if (torn && !part.payload.empty()) part.payload.resize(random() % part.payload.size());
                    apply(part, bytes);
                }
            }
            if (survival == Survival::sectors) bytes = some_sectors(file.pending, bytes, random);
            const fs::path run = runs / std::to_string(file.run);
            std::ofstream(is_state ? run / file.name : log / file.name, std::ios::binary) << bytes;
        }
    }

    std::uint32_t begun = 0;  // the newest run
    std::set<std::uint32_t> told_exited;

private:
    struct File {
        std::string name;  // empty: of no interest
        std::uint32_t run = 1;
        std::string durable;
        std::vector<Happened> pending;
        std::size_t begun = 0;  // of `pending`, what a sync in the background covers
        bool name_durable = false;
        std::size_t made = 0;  // after so many others
    };

    static void apply(const Happened& change, std::string& bytes) {
        const auto at = static_cast<std::size_t>(change.entry.value);
        if (change.entry.what == Entry::cut) {
            bytes.resize(at);
            return;
        }
        if (bytes.size() < at + change.payload.size()) bytes.resize(at + change.payload.size());
        bytes.replace(at, change.payload.size(), change.payload);
    }

    /// Each sector as it was after some of the changes, whatever the others are.
    static std::string some_sectors(const std::vector<Happened>& pending, const std::string& durable,
                                    std::mt19937& random) {
        std::vector<std::string> versions{durable};
        for (const auto& change : pending) {
            versions.push_back(versions.back());
            apply(change, versions.back());
        }
        constexpr std::size_t sector = 512;
        std::string out;
        std::size_t newest = 0;
        for (std::size_t at = 0; at < versions.back().size(); at += sector) {
            const std::size_t version = random() % versions.size();
            newest = std::max(newest, version);
            std::string part = versions[version].size() > at ? versions[version].substr(at, sector) : "";
            part.resize(sector, '\0');
            out += part;
        }
        out.resize(versions[newest].size());
        return out;
    }

    void open(std::uint64_t inode, const Happened& event) {
        const std::string& name = event.payload;
        const bool known = files_.contains(inode);
        File& file = files_[inode];
        const bool interesting = name == "state" || name.ends_with(".log") || name.ends_with(".idx");
        if (interesting) file.name = name;
        if (!known) file.run = event.run;
        if (interesting && !known) file.made = ++names_made_;
        if (name == "state") file.name_durable = true;
        if (known && (static_cast<int>(event.entry.value) & O_TRUNC) != 0) {
            Happened cut{};
            cut.entry.what = Entry::cut;
            file.pending.push_back(cut);
        }
    }

    void settle(std::uint64_t inode, std::size_t count) {
        File& file = files_[inode];
        for (std::size_t i = 0; i < count; ++i) apply(file.pending[i], file.durable);
        file.pending.erase(file.pending.begin(), file.pending.begin() + static_cast<std::ptrdiff_t>(count));
        file.begun = 0;
        if (!file.name.empty()) return;
        // A directory: all names in it so far. There is one that matters.
        for (auto& [number, each] : files_) each.name_durable = true;
    }

    void hear(const std::string& packet, std::uint32_t run) {
        rundir::ControlMessage message;
        rundir::DescriptorList list;
        if (rundir::decode_frame(packet.data(), packet.size(), message, list) != rundir::Refusal::none) return;
        if (message.state.phase == rundir::Phase::exited) told_exited.insert(run);
    }

    std::map<std::uint64_t, File> files_;
    std::size_t names_made_ = 0;
};

/// The programs' lines that a reader is given; false when it is given any twice, out of order, or nothing at all. Of
/// whose run a line is that has lost its record is not known, so all are read.
bool read_programs(const fs::path& log, const std::string& printed, std::set<std::string>& lines, std::string& why,
                   std::uint64_t* missing = nullptr) {
    logstore::LineQuery query;
    query.max_bytes = 1u << 20;
    const auto page = logstore::read_lines(log, query);
    if (!page) {
        why = "the log cannot be read: " + page.error().message;
        return false;
    }
    if (missing != nullptr) *missing = page->lost_bytes;  // that the reader is told of
    std::map<char, int> newest;
    for (const auto& line : page->lines) {
        if (!line.complete) continue;
        int number = 0;
        char letter = 0, rest = 0;
        if (!line.text.starts_with("bye") && (std::sscanf(line.text.c_str(), "%c %d%c", &letter, &number, &rest) != 2 ||
                                              printed.find(line.text + "\n") == std::string::npos))
            continue;  // cut by the crash
        if (number != 0 && newest[letter] >= number) {
            why = "\"" + line.text + "\" after " + std::to_string(newest[letter]);
            return false;
        }
        newest[letter] = number;
        lines.insert(line.text);
    }
    return true;
}

/// The newest run by the directories, or else by what the database knows.
Result<core::FoundRun> find_newest(const fs::path& data, std::uint32_t begun) {
    core::FoundProcess on_disk;
    for (std::uint32_t number = 1; number <= begun; ++number)
        if (fs::exists(data / "procs/p1/runs" / std::to_string(number))) on_disk.runs.push_back(number);
    core::ProcessRecord record;
    record.id = the_process;
    record.last_run = begun;
    record.intent = core::Intent::restart;
    record.boot = base::to_hex(base::current_boot_id());
    if (auto missing = core::missing_run(on_disk, record, std::nullopt, next_boot)) return *missing;
    return core::find_run(data, {the_process, begun}, next_boot);
}

/// `is_whole`: nothing was lost at all.
std::string judge(const fs::path& data, std::uint32_t begun, const std::string& printed,
                  const std::set<std::string>& owed, bool is_whole) {
    const auto found = find_newest(data, begun);
    if (!found) return "the run cannot be looked at: " + found.error().message;
    if (found->id.number != begun) return "another run passes for the newest";
    const auto what = core::classify(*found, std::nullopt, core::Wanted::up, next_boot, WallTime{}, true);
    const auto* ended = std::get_if<core::FoundEnded>(&what);
    if (ended == nullptr) return "is not taken for ended";
    const bool is_recorded = found->state.phase == rundir::Phase::exited;
    const auto& outcome = ended->outcome;
    if (outcome.signal || outcome.exit_code != (is_recorded ? std::optional(program_code) : std::nullopt))
        return "its outcome is invented";
    if (!is_recorded && outcome.reason != OutcomeReason::lost) return "without a record it is not lost";
    if (is_whole && (!is_recorded || found->cut_bytes > 0 || !found->spec)) return "something is missing at the end";
    const fs::path log = data / "procs/p1/log";
    std::string why;
    for (const bool repaired : {false, true}) {
        const std::string when = repaired ? " once repaired" : "";
        if (repaired) {
            if (const int err = repair(log)) return "the log cannot be opened: " + std::string(std::strerror(err));
        }
        std::set<std::string> lines;
        std::uint64_t missing = 0;
        if (!read_programs(log, printed, lines, why, &missing)) return why + when;
        for (const auto& line : owed)
            if (!lines.contains(line)) return "\"" + line + "\" was synced and is gone" + when;
        const std::string own = printed_by(begun);
        const auto count = std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
            return own.starts_with(line + "\n") || own.find("\n" + line + "\n") != std::string::npos;
        });
        // What is missing at its end is told with the run; what is missing within it, where it is read.
        if (is_recorded && count != all_lines && found->cut_bytes == 0 && missing == 0)
            return "passes for complete with " + std::to_string(count) + " lines" + when;
    }
    return {};
}

int rounds_asked(int usual) {
    const char* asked = std::getenv("PERSISTPROC_CRASH_LONG");
    return asked != nullptr && *asked == '1' ? 200 : usual;
}

std::mt19937 seeded() {
    const char* given = std::getenv("PERSISTPROC_CRASH_SEED");
    return std::mt19937(given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1u);
}

/// Cuts the power after each event, in `rounds` ways of two kinds and in the worst one.
void cut_after_each(const std::vector<Happened>& events, std::vector<Made> made, int rounds, std::mt19937& random) {
    std::string printed;
    for (std::uint32_t run = 1; run <= made.size(); ++run) printed += printed_by(run);
    std::vector<std::string> wrong;
    Disk disk;
    for (std::size_t i = 0; i < events.size(); ++i) {
        disk.happen(events[i]);
        std::set<std::string> owed;
        for (int round = 0; round < 1 + 2 * rounds; ++round) {
            const Survival survival = round == 0       ? Survival::nothing
                                      : round % 2 == 1 ? Survival::a_prefix
                                                       : Survival::sectors;
            // The runs before the newest are older than a second, or their daemon's writes are.
            for (std::uint32_t run = 1; run <= made.size(); ++run)
                made[run - 1].is_durable = run < disk.begun || round % 4 < 2;
            FastDirectory after;
            disk.write(after.path(), survival, made, random);
            std::string why;
            // What survives when nothing else does is owed by every other outcome.
            if (round == 0 && !read_programs(after.path() / "procs/p1/log", printed, owed, why))
                wrong.push_back("event " + std::to_string(i) + ": " + why);
            const bool is_whole = made[disk.begun - 1].is_durable && i + 1 == events.size();
            if (auto what = judge(after.path(), disk.begun, printed, owed, is_whole); !what.empty())
                wrong.push_back("event " + std::to_string(i) + ", round " + std::to_string(round) + ": " + what);
        }
        if (wrong.size() > 2000) break;
    }
    for (const auto& each : wrong) std::printf("%s\n", each.c_str());
    CHECK(wrong.empty());
    CHECK(disk.told_exited.size() == made.size());
}

/// After an event of this place nothing is told any more.
auto after_last_told(const std::vector<Happened>& events) {
    return std::find_if(events.rbegin(), events.rend(), [](const auto& each) { return each.entry.what == Entry::told; })
        .base();
}

}  // namespace

TEST_CASE("a power cut loses nothing that was synced, invents nothing, and leaves what can be read") {
    FastDirectory data;
    const fs::path journal = data.path() / "journal";
    // Long enough for what is synced while the program runs.
    const TrialResult result = play(data.path(), "", journal, std::chrono::milliseconds(1100));
    REQUIRE(result.told.exited);
    const auto events = read_journal(journal);
    REQUIRE(events.size() > 50);
    const auto is_sync = [](const Happened& each) {
        return each.entry.what == Entry::synced || each.entry.what == Entry::syncing;
    };
    // Nobody waits for the disk before everything is told.
    const auto told = after_last_told(events);
    CHECK(std::none_of(events.begin(), told, [](const auto& each) { return each.entry.what == Entry::synced; }));
    CHECK(std::any_of(events.begin(), told, is_sync));
    CHECK(std::any_of(told, events.end(), is_sync));
    Made made;
    made.spec = read_file(result.run_directory / "spec");
    REQUIRE(rundir::create_state(data.path() / "created", base::current_boot_id()));
    made.state = read_file(data.path() / "created");
    std::mt19937 random = seeded();
    cut_after_each(events, {made}, rounds_asked(4), random);
}

TEST_CASE("a power cut across a restart leaves two runs of which each is what it was") {
    FastDirectory data;
    std::vector<Made> made(2);
    std::vector<Happened> events, late;
    REQUIRE(rundir::create_state(data.path() / "created", base::current_boot_id()));
    for (std::uint32_t run = 1; run <= 2; ++run) {
        const fs::path journal = data.path() / ("journal" + std::to_string(run));
        const TrialResult result = play(data.path(), "", journal, {}, run);
        REQUIRE(result.told.exited);
        made[run - 1].spec = read_file(result.run_directory / "spec");
        made[run - 1].state = read_file(data.path() / "created");
        const auto own = read_journal(journal, run);
        REQUIRE(own.size() > 50);
        // The first keeper's last syncs come whenever they come: the second run is under way by then.
        const auto told = after_last_told(own);
        events.insert(events.end(), own.begin(), run == 1 ? told : own.end());
        if (run == 1) late.assign(told, own.end());
    }
    std::mt19937 random = seeded();
    const auto second = std::find_if(events.begin(), events.end(), [](const auto& each) { return each.run == 2; });
    const auto first_run = second - events.begin();
    std::vector<Happened> in_time = events;
    in_time.insert(in_time.begin() + first_run, late.begin(), late.end());
    events.insert(events.end(), late.begin(), late.end());
    for (const auto& order : {in_time, events}) cut_after_each(order, made, rounds_asked(1), random);
}
