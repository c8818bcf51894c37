#pragma once
/// What the daemon remembers beyond the run directories: definitions, what is wanted, history and audit. Run
/// directories are the truth about what happened; the store is what the user asked for. It never holds a value of an
/// environment variable. Records are kept as documents (`schema/document.hpp`) of their fields: what a newer daemon
/// wrote into one and this daemon does not understand stays with it.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/async/clock.hpp"
#include "common/async/notifier.hpp"
#include "daemon/core/lifecycle.hpp"
#include "daemon/core/projects/project_record.hpp"

namespace persistproc::core {

/// A request that is on its way: a daemon that finds one after a crash carries it through once. `remove`, which none
/// writes any more, alone is left to be asked for again: a directory which is missing was ours to remove.
enum class Intent { none, start, stop, restart, remove };

/// What its project has in mind for a process (project_plan.hpp): what a daemon finds here after a crash it carries
/// through.
enum class Planned {
    up,        // it was begun
    waiting,   // it begins once what it needs is there
    stopping,  // it is stopped once nothing that needs it is left
    down,      // it was stopped with its project, or withdrawn
    failed,    // it could not come up, or needs one that cannot: `plan_causes`
    again,     // it was up when the machine was restarted, and is to wait as it was
};

/// The newest that somebody had sent to the program.
struct SentSignal {
    std::uint32_t run = 0;
    int number = 0;
    std::string by;
    WallTime at{};
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using S = SentSignal;
        using schema::field;
        each(field("run", &S::run));
        each(field("number", &S::number));
        each(field("by", &S::by));
        each(field("at", &S::at));
    }
};

/// A run that is ended because of its checks: so that its end is told as that, whoever comes to hear of it.
struct FailedChecks {
    std::uint32_t run = 0;
    schema::Open<OutcomeReason> reason = OutcomeReason::not_ready;
    std::string detail;  // which, and why
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using F = FailedChecks;
        using schema::field;
        each(field("run", &F::run));
        each(field("reason", &F::reason));
        each(field("detail", &F::detail));
    }
};

struct ProcessRecord {
    ProcessId id;  // no part of the document
    Definition definition;
    // A newer daemon's word for it stands for `up` here: what runs goes on, what has ended obeys its restart policy.
    Wanted wanted = Wanted::up;
    Intent intent = Intent::none;
    std::uint32_t intent_run = 0;               // the run the intent is about
    std::string intent_by;                      // who asked; of a run that was stopped, it says by whom
    std::optional<std::int64_t> shut_down_run;  // it was to be stopped as everything was
    std::uint32_t last_run = 0;
    std::int64_t restarts = 0;        // on request or by policy; a start of what had ended is none
    std::int64_t quick_failures = 0;  // runs in a row that ended too soon, as `Lifecycle` counts them
    bool gave_up = false;             // it was not run again after these
    std::string request_key;          // of the start that its newest run, or an ancestor of it by policy, came from
    WallTime created_at{};
    std::optional<std::int64_t> called_off_run;  // after it the process was stopped while it waited to run again
    std::string called_off_by;                   // by whom
    std::optional<SentSignal> sent_signal;
    std::int64_t ready_run = 0;  // the newest in which what somebody waited for came true; 0: none
    std::int64_t held_run = 0;   // the run that its checks say is ready; 0: none
    std::optional<FailedChecks> failed_checks;
    std::optional<std::string> boot;    // of the machine when its newest run was begun: hex
    bool is_without_directory = false;  // it is missing; of the runs in it the database alone knows
    std::optional<Planned> planned;     // nothing: it is of no project, or was never asked for there
    std::string planned_by;             // who asked for that
    bool planned_alone = false;         // asked for without what it needs
    std::uint32_t pending_run = 0;      // the run to come, whose directory with the values is there already; 0: none
    std::vector<Cause> plan_causes;     // why it failed
    // What it was in the project whose file had it no more: it is the same again where the file has it again. Nothing:
    // there was none, or it was begun as something else since.
    std::optional<domain::Membership> former;
    schema::Unknown unknown;

    /// The directory of its next run is there.
    bool waits_to_begin() const noexcept { return planned == Planned::waiting && pending_run != 0; }
    /// It has not begun, and will unless somebody stops it.
    bool is_to_begin() const noexcept { return planned == Planned::waiting || planned == Planned::again; }

    /// What is asked for now takes the place of whatever a newer daemon had noted.
    void intend(Wanted state, Intent request) {
        wanted = state;
        intent = request;
        unknown.forget("wanted");
        unknown.forget("intent");
    }

    /// What the rules have come to. Nobody has asked for that: a newer daemon's word stays.
    void follow(Wanted state) {
        for (const auto& [name, word] : unknown.members)
            if (name == "wanted") return;
        wanted = state;
    }

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = ProcessRecord;
        using schema::field;
        each(field("definition", &R::definition));
        each(field("wanted", &R::wanted));
        each(field("intent", &R::intent));
        each(field("intent_run", &R::intent_run));
        each(field("intent_by", &R::intent_by).absent_if_empty());
        each(field("shut_down_run", &R::shut_down_run).left_out_if_absent());
        each(field("last_run", &R::last_run).range(0, domain::last_number));
        each(field("restarts", &R::restarts));
        each(field("quick_failures", &R::quick_failures));
        each(field("gave_up", &R::gave_up));
        each(field("request_key", &R::request_key).absent_if_empty());
        each(field("created_at", &R::created_at));
        each(field("called_off_run", &R::called_off_run).left_out_if_absent());
        each(field("called_off_by", &R::called_off_by).absent_if_empty());
        each(field("sent_signal", &R::sent_signal).left_out_if_absent());
        each(field("ready_run", &R::ready_run).absent_if_empty());
        each(field("held_run", &R::held_run).absent_if_empty().left_out_if_absent());
        each(field("failed_checks", &R::failed_checks).left_out_if_absent());
        each(field("boot", &R::boot).left_out_if_absent());
        each(field("is_without_directory", &R::is_without_directory));
        each(field("planned", &R::planned).left_out_if_absent());
        each(field("planned_by", &R::planned_by).absent_if_empty());
        each(field("planned_alone", &R::planned_alone).absent_if_empty());
        each(field("pending_run", &R::pending_run).absent_if_empty());
        each(field("plan_causes", &R::plan_causes).absent_if_empty());
        each(field("former", &R::former).left_out_if_absent());
    }
};

struct RunRecord {
    RunId id;              // no part of the document
    std::int64_t pid = 0;  // of its program; 0: none is known to have been started
    // What else tells that program and what it started from others, should the run's directory go missing.
    std::int64_t start_ticks = 0;
    std::string mark;  // the run's nonce in hex
    std::optional<WallTime> started_at;
    std::optional<Outcome> outcome;
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = RunRecord;
        using schema::field;
        each(field("pid", &R::pid));
        each(field("start_ticks", &R::start_ticks).absent_if_empty().left_out_if_absent());
        each(field("mark", &R::mark).absent_if_empty().left_out_if_absent());
        each(field("started_at", &R::started_at));
        each(field("outcome", &R::outcome));
    }
};

/// Adds to what is known of a run. An outcome never changes, and what is known stays. Pure.
void join(RunRecord& known, const RunRecord& later);

/// One changing call: who asked what of which process or project.
struct AuditEntry {
    std::int64_t number = 0;  // given by the store, rising; 0: not stored yet
    WallTime at{};
    std::string actor;
    std::string action;
    std::string process;  // an id, or a project's file; empty: the daemon itself
    std::string detail;
};

/// The `detail` of a rename; what it says of one from `before` to any other begins with `renamed_detail(before, "")`.
std::string renamed_detail(std::string_view before, std::string_view after);

/// Which of them; of all these the newest `most`.
struct AuditQuery {
    std::string process;        // an id; empty: of all
    std::int64_t since_ns = 0;  // wall time
    std::int64_t after = 0;     // a number
    std::int64_t most = 100;
};

/// Changes that are written together.
struct StoreChange {
    std::vector<ProcessRecord> processes;  // inserted or replaced
    std::vector<RunRecord> runs;           // inserted, or joined with what is known of the run: `join`
    std::vector<ProcessId> removed;        // with their runs
    std::vector<ProjectRecord> projects;   // inserted or replaced; one that says nothing is removed
    std::vector<AuditEntry> audit;
    /// It has come about, recorded or not: where the disk has no room it is kept, and written as soon as there is some,
    /// before anything that comes later.
    bool is_fact = false;
};

/// Each list is ascending, of numbers that are ones (domain::is_number).
struct StoreSnapshot {
    std::vector<ProcessRecord> processes;
    std::vector<RunRecord> last_runs;  // the newest run of each process that has one
    std::vector<ProjectRecord> projects;
    std::uint32_t next_process = 1;  // ids are never reused, not even after a removal
    std::uint64_t epoch = 1;         // of this daemon: higher than any before it
};

class Store {
public:
    virtual ~Store() = default;
    /// Once, at start; begins a new epoch. Errors: io.
    virtual Task<Result<StoreSnapshot>> load() = 0;
    /// Completes when `change` is written: no death of the daemon takes it back any more. Within a second it is
    /// durable; a power cut before that takes it back with all that came after it. Changes are written in the order of
    /// the calls. Errors: io (full disk, …): nothing of the change is kept but of a fact. Cancelling abandons the wait,
    /// never the change.
    virtual Task<Result<void>> commit(StoreChange change) = 0;
    /// Completes when all that was written before is durable; makes nobody wait for the disk. Errors: io. Cancelling
    /// abandons the wait.
    virtual Task<Result<void>> await_durable() = 0;
    /// Oldest first. Errors: io, corrupt.
    virtual Task<Result<std::vector<AuditEntry>>> read_audit(AuditQuery query) = 0;
    /// Notified after entries have been added.
    virtual async::Notifier& audited() = 0;
};

}  // namespace persistproc::core

namespace persistproc::schema {

template <>
struct EnumNames<core::Wanted> {
    using E = core::Wanted;
    static constexpr std::pair<E, std::string_view> names[] = {{E::down, "down"}, {E::up, "up"}};
};
template <>
struct EnumNames<core::Planned> {
    using E = core::Planned;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::up, "up"},     {E::waiting, "waiting"}, {E::stopping, "stopping"},
        {E::down, "down"}, {E::failed, "failed"},   {E::again, "again"}};
};
template <>
struct EnumNames<core::Intent> {
    using E = core::Intent;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::none, "none"}, {E::start, "start"}, {E::stop, "stop"}, {E::restart, "restart"}, {E::remove, "remove"}};
};

}  // namespace persistproc::schema
