#pragma once
/// What an earlier daemon left of a process, and what it means: a pure classification, without effects.
#include <variant>

#include "daemon/core/run_directories.hpp"
#include "daemon/core/store.hpp"

namespace persistproc::core {

/// What the store and the disk say of one process.
struct Remnant {
    ProcessId id;
    std::optional<ProcessRecord> record;
    std::optional<RunRecord> last_run;  // the newest the store knows
    bool has_directory = false;
    FoundProcess found;
};

/// Matches both; each list is ascending.
std::vector<Remnant> match(StoreSnapshot snapshot, const std::vector<ProcessId>& directories);

/// The run whose outcome is on record with nothing left to be done about it, by the store's word; of such a run no more
/// is read than proof of that.
std::optional<std::uint32_t> known_ended(const Remnant& remnant);
/// And by the disk's, which is the truth: its shim may live on for what the program left behind, and a run may be there
/// that the store never heard of.
bool has_ended(const Remnant& remnant);

/// Whether it is what a start that failed for good left behind, because its files or its row could not be removed: one
/// run, that never had a program, and whose outcome is not on record. `record`, `last_run`: null where the store has
/// none.
bool is_failed_start(const FoundProcess& found, const ProcessRecord* record, const RunRecord* last_run);

/// Whether, by the store's word alone, its first start may have come to nothing: it knows of no program. `last_run`:
/// null where it has none.
bool may_be_failed_start(const ProcessRecord& record, const RunRecord* last_run);

/// Whether `run` is the directory of one that is still to begin, kept for the values in it: its start was not asked
/// for, or has come to nothing, and no program ever was in it.
bool is_pending(const FoundRun& run, const ProcessRecord& record, base::BootId boot);

/// A definition from the run itself, for a process the store does not know (it was lost or damaged).
ProcessRecord record_from(const FoundProcess& found);
/// What has been asked for since its newest run began, by the history of the process (oldest first): that it is to stay
/// down, and another label.
void remember(ProcessRecord& record, const std::vector<AuditEntry>& history);
/// Whether its newest run was begun before the machine was restarted. What was written in the last moments before that
/// may be missing, and then proves nothing. A record that does not say: false.
bool was_begun_before(const ProcessRecord& record, base::BootId boot);
/// Whether a process without a directory is no start that came to nothing, by what is on record of it, and no removal
/// that was under way: a power cut took the directory, or somebody did.
bool has_lost_directory(const Remnant& remnant, base::BootId boot);
/// The run that the store knows to have had a program, where it is newer than all that are on disk: its directory is
/// missing. So may be that of a start which was under way, or told, when the machine was restarted; and that of any
/// run where none is left of a process that had one.
std::optional<FoundRun> missing_run(const FoundProcess& found, const ProcessRecord& record,
                                    const std::optional<RunRecord>& last_run, base::BootId boot);
/// What the store knows of the program of a run, and the run's files do not say: how to find what lives of it. Of a
/// program from before a restart of the machine nothing does.
void recall_program(FoundRun& run, const RunRecord& known, const ProcessRecord& record, base::BootId boot);

/// Where the store knows of a program of the run, and its state says that none was begun, what was written last cannot
/// be read, and what was written before it proves nothing: it is in trouble.
void doubt_state(FoundRun& run, const std::optional<RunRecord>& recorded);

// What became of the newest run.
/// No program ever ran, and none will: it is as if the run had never been. The one before it counts. Only what was
/// written in this boot proves that.
struct FoundNothing {};
/// Its shim lives, and has still to say whether a program will run.
struct FoundStarting {};
/// Its shim lives: it is to be taken over.
struct FoundAlive {};
/// Of a newer major version: listed, not touched.
struct FoundUnsupported {
    rundir::Format format;
};
/// It has ended, which the store knows, and nothing is wanted of it.
struct FoundSettled {
    Outcome outcome;
};
/// It has ended; the rules are to hear of it now.
struct FoundEnded {
    Outcome outcome;
    bool is_news = true;  // else the store knows the outcome, and the policy's next run is still to come
};
using Found = std::variant<FoundNothing, FoundStarting, FoundAlive, FoundUnsupported, FoundSettled, FoundEnded>;

/// `recorded`: the store's outcome of this run. `boot`: of the machine as it runs now. `is_before_restart`: by the
/// store's word the run was begun before the machine was restarted.
Found classify(const FoundRun& run, const std::optional<Outcome>& recorded, Wanted wanted, base::BootId boot,
               WallTime now, bool is_before_restart = false);

}  // namespace persistproc::core
