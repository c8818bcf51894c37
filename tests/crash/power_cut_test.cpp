/// The power goes at every moment of a run: what was written and not synced is dropped, file by file, in part, or out
/// of order; names that no directory's sync has covered may be gone, and so may be what the daemon wrote before it.
/// What the next daemon finds is never an outcome that was not, and never taken for a start that came to nothing.
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

constexpr RunId the_run{{1}, 1};
constexpr base::BootId next_boot{9};
constexpr std::size_t all_lines = 241;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Happened {
    JournalEntry entry;
    std::string payload;
};

std::vector<Happened> read_journal(const fs::path& path) {
    std::vector<Happened> out;
    std::ifstream file(path, std::ios::binary);
    JournalEntry entry{};
    while (file.read(reinterpret_cast<char*>(&entry), sizeof entry) && entry.what != Entry::none) {
        std::string payload((entry.size + 7) / 8 * 8, '\0');
        file.read(payload.data(), static_cast<std::streamsize>(payload.size()));
        payload.resize(entry.size);
        out.push_back({entry, std::move(payload)});
    }
    return out;
}

/// What of the unsynced survives.
enum class Survival { nothing, a_prefix, sectors };

/// The files of the run as the daemon makes them before there is a shim. They are synced a second later.
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
        switch (event.entry.what) {
            case Entry::opened: open(inode, event.payload, static_cast<int>(event.entry.value)); break;
            case Entry::wrote:
            case Entry::cut: files_[inode].pending.push_back(event); break;
            case Entry::synced: settle(inode, files_[inode].pending.size()); break;
            case Entry::syncing: files_[inode].begun = files_[inode].pending.size(); break;
            case Entry::collected:
                for (auto& [number, file] : files_) settle(number, file.begun);
                break;
            case Entry::unlinked: break;  // `ctl` alone: the bound is not reached
            case Entry::told: hear(event.payload); break;
            case Entry::none: break;
        }
    }

    /// Makes the run's directory below `data` as it is after the cut.
    void write(const fs::path& data, Survival survival, const Made& made, std::mt19937& random) const {
        const fs::path run = data / "procs/p1/runs/1", log = data / "procs/p1/log";
        fs::create_directories(run);
        fs::create_directories(log);
        if (const auto spec = made.left_of(made.spec, random)) std::ofstream(run / "spec", std::ios::binary) << *spec;
        const auto state = made.left_of(made.state, random);
        if (state) std::ofstream(run / "state", std::ios::binary) << *state;
        // Journaling file systems bring names back in the order of their making.
        const std::size_t names = survival == Survival::nothing ? 0 : random() % (names_made_ + 1);
        for (const auto& [inode, file] : files_) {
            if (file.name.empty()) continue;
            const bool is_state = file.name == "state";
            if (!file.name_durable && file.made > names) continue;
            if (is_state && file.durable.empty() && !state) continue;
            std::string bytes = is_state && file.durable.empty() ? *state : file.durable;
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
            std::ofstream(is_state ? run / file.name : log / file.name, std::ios::binary) << bytes;
        }
    }

    bool told_exited = false;

private:
    struct File {
        std::string name;  // empty: of no interest
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

    void open(std::uint64_t inode, const std::string& name, int flags) {
        const bool known = files_.contains(inode);
        File& file = files_[inode];
        const bool interesting = name == "state" || name.ends_with(".log") || name.ends_with(".idx");
        if (interesting) file.name = name;
        if (interesting && !known) file.made = ++names_made_;
        if (name == "state") file.name_durable = true;
        if (known && (flags & O_TRUNC) != 0) {
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

    void hear(const std::string& packet) {
        rundir::ControlMessage message;
        rundir::DescriptorList list;
        if (rundir::decode_frame(packet.data(), packet.size(), message, list) != rundir::Refusal::none) return;
        if (message.state.phase == rundir::Phase::exited) told_exited = true;
    }

    std::map<std::uint64_t, File> files_;
    std::size_t names_made_ = 0;
};

/// The program's lines that a reader is given; false when it is given any twice, out of order, or nothing at all.
bool read_program(const fs::path& log, std::set<std::string>& lines, std::string& why) {
    logstore::LineQuery query;
    query.max_bytes = 1u << 20;
    const auto page = logstore::read_lines(log, query);
    if (!page) {
        why = "the log cannot be read: " + page.error().message;
        return false;
    }
    std::map<char, int> newest;
    for (const auto& line : page->lines) {
        if (!line.complete) continue;
        int number = 0;
        char letter = 0, rest = 0;
        if (line.text != "bye" && (std::sscanf(line.text.c_str(), "%c %d%c", &letter, &number, &rest) != 2 ||
                                   (program_out() + program_err()).find(line.text + "\n") == std::string::npos))
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

/// `is_whole`: nothing was lost at all.
std::string judge(const fs::path& data, const std::set<std::string>& owed, bool is_whole) {
    const auto found = core::find_run(data, the_run, next_boot);
    if (!found) return "the run cannot be looked at: " + found.error().message;
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
        if (!read_program(log, lines, why)) return why + when;
        for (const auto& line : owed)
            if (!lines.contains(line)) return "\"" + line + "\" was synced and is gone" + when;
        if (is_recorded && lines.size() != all_lines && found->cut_bytes == 0)
            return "passes for complete with " + std::to_string(lines.size()) + " lines" + when;
    }
    return {};
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
    const auto last_told =
        std::find_if(events.rbegin(), events.rend(), [](const auto& each) { return each.entry.what == Entry::told; });
    CHECK(std::none_of(last_told, events.rend(), [](const auto& each) { return each.entry.what == Entry::synced; }));
    CHECK(std::any_of(last_told, events.rend(), is_sync));
    CHECK(std::any_of(events.rbegin(), last_told, is_sync));
    const char* asked = std::getenv("PERSISTPROC_CRASH_LONG");
    const int rounds = asked != nullptr && *asked == '1' ? 200 : 4;
    const char* given = std::getenv("PERSISTPROC_CRASH_SEED");
    std::mt19937 random(given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1u);
    Made made;
    made.spec = read_file(result.run_directory / "spec");
    REQUIRE(rundir::create_state(data.path() / "created", base::current_boot_id()));
    made.state = read_file(data.path() / "created");

    std::vector<std::string> wrong;
    Disk disk;
    for (std::size_t i = 0; i < events.size(); ++i) {
        disk.happen(events[i]);
        std::set<std::string> owed;
        for (int round = 0; round < 1 + 2 * rounds; ++round) {
            const Survival survival = round == 0       ? Survival::nothing
                                      : round % 2 == 1 ? Survival::a_prefix
                                                       : Survival::sectors;
            made.is_durable = round % 4 < 2;
            FastDirectory after;
            disk.write(after.path(), survival, made, random);
            std::string why;
            // What survives when nothing else does is owed by every other outcome.
            if (round == 0 && !read_program(after.path() / "procs/p1/log", owed, why))
                wrong.push_back("event " + std::to_string(i) + ": " + why);
            const bool is_whole = made.is_durable && i + 1 == events.size();
            if (auto what = judge(after.path(), owed, is_whole); !what.empty())
                wrong.push_back("event " + std::to_string(i) + ", round " + std::to_string(round) + ": " + what);
        }
        if (wrong.size() > 2000) break;
    }
    for (const auto& each : wrong) std::printf("%s\n", each.c_str());
    CHECK(wrong.empty());
    CHECK(disk.told_exited);
}
