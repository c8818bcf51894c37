#include "daemon/core/found.hpp"

#include "common/base/random.hpp"
#include "daemon/core/run/run_machine.hpp"
#include "tests/support/catch.hpp"

namespace found_test {

using namespace persistproc;
using namespace persistproc::core;

namespace {

constexpr WallTime now{std::chrono::hours(24 * 365 * 56)};
constexpr base::BootId boot{1};
constexpr base::BootId other_boot{2};

FoundRun a_run(rundir::Phase phase, bool alive = false) {
    FoundRun out{.id = RunId{{1}, 1}};
    out.state.phase = phase;
    out.state.boot_id = boot;
    out.shim_alive = alive;
    return out;
}

std::string name_of(const Found& found) {
    struct Name {
        std::string operator()(const FoundNothing&) { return "nothing"; }
        std::string operator()(const FoundStarting&) { return "starting"; }
        std::string operator()(const FoundAlive&) { return "alive"; }
        std::string operator()(const FoundUnsupported&) { return "unsupported"; }
        std::string operator()(const FoundSettled&) { return "settled"; }
        std::string operator()(const FoundEnded& e) {
            std::string out = e.is_news ? "ended" : "ended, known";
            if (e.outcome.reason == OutcomeReason::lost) out += ", lost: " + domain::causes_text(e.outcome.causes);
            return out;
        }
    };
    return std::visit(Name{}, found);
}

Outcome exited() {
    Outcome out;
    out.exit_code = 3;
    return out;
}

}  // namespace

TEST_CASE("what is found of a run means what the table says") {
    using rundir::Phase;
    FoundRun newer = a_run(Phase::started, true);
    newer.other_format = rundir::Format{3, 0};
    FoundRun damaged = a_run(Phase::none);
    damaged.trouble = "torn";
    FoundRun damaged_alive = damaged;
    damaged_alive.shim_alive = true;
    FoundRun rebooted = a_run(Phase::started);
    rebooted.state.boot_id = other_boot;
    FoundRun unwritten = a_run(Phase::none);
    unwritten.state.boot_id = other_boot;
    FoundRun prepared = a_run(Phase::prepared);
    prepared.state.boot_id = other_boot;
    FoundRun aborted = a_run(Phase::aborted);
    aborted.state.boot_id = other_boot;
    FoundRun unnamed = a_run(Phase::none);
    unnamed.state.boot_id = {};
    FoundRun unseen = a_run(Phase::started);
    unseen.state.outcome_unknown = 1;
    FoundRun leaving = a_run(Phase::exited, true);
    leaving.state.tree_empty = 1;
    struct Cell {
        const char* title;
        FoundRun run;
        std::optional<Outcome> recorded;
        Wanted wanted;
        const char* what;
    };
    const auto up = Wanted::up;
    const auto down = Wanted::down;
    const Cell table[] = {
        {"nobody wrote", a_run(Phase::none), {}, up, "nothing"},
        {"a shim that left before COMMIT", a_run(Phase::aborted), {}, up, "nothing"},
        {"a shim that died before COMMIT", a_run(Phase::prepared), {}, down, "nothing"},
        {"a start under way", a_run(Phase::prepared, true), {}, up, "starting"},
        {"a shim that has not written yet", a_run(Phase::none, true), {}, up, "starting"},
        {"a program under a living shim", a_run(Phase::started, true), {}, up, "alive"},
        {"an ended one whose shim still lives", a_run(Phase::exited, true), exited(), down, "alive"},
        {"one whose shim only syncs yet, nothing wanted", leaving, exited(), down, "settled"},
        {"one whose shim only syncs yet, an exit nobody heard of", leaving, {}, up, "ended"},
        {"a living shim with a damaged state", damaged_alive, {}, up, "alive"},
        {"a newer version", newer, {}, up, "unsupported"},
        {"an exit nobody heard of", a_run(Phase::exited), {}, up, "ended"},
        {"an exit nobody heard of, wanted down", a_run(Phase::exited), {}, down, "ended"},
        {"an exit on record, nothing wanted", a_run(Phase::exited), exited(), down, "settled"},
        {"an exit on record, the policy's run to come", a_run(Phase::exited), exited(), up, "ended, known"},
        {"a start that failed", a_run(Phase::exec_failed), {}, up, "ended"},
        {"an end on record whose directory says less", a_run(Phase::started), exited(), down, "settled"},
        {"a dead shim",
         a_run(Phase::started),
         {},
         up,
         "ended, lost: its shim was killed before it could record an outcome"},
        {"a machine that was restarted", rebooted, {}, up, "ended, lost: it ended with the machine"},
        {"a start before that, without a word", unwritten, {}, up, "ended, lost: it ended with the machine"},
        {"a shim before that, without a word", prepared, {}, down, "ended, lost: it ended with the machine"},
        {"one before that, whose end is on record", unwritten, exited(), down, "settled"},
        {"a start before that, given up", aborted, {}, up, "nothing"},
        {"one that does not say when it was made", unnamed, {}, up, "nothing"},
        {"an end nobody saw",
         unseen,
         {},
         up,
         "ended, lost: " /* + */
         "its shim was killed, and nobody was left to see how it ended"},
        {"a damaged state and a dead shim", damaged, {}, up, "ended, lost: its run directory is damaged: torn"},
    };
    for (const auto& cell : table) {
        INFO(cell.title);
        CHECK(name_of(classify(cell.run, cell.recorded, cell.wanted, boot, now)) == cell.what);
    }
}

TEST_CASE("rows and directories are matched by id, whichever is missing") {
    StoreSnapshot snapshot;
    for (const std::uint32_t number : {1u, 3u, 4u}) {
        ProcessRecord record;
        record.id = ProcessId{number};
        record.wanted = Wanted::down;
        snapshot.processes.push_back(record);
    }
    RunRecord last{.id = RunId{{4}, 7}};
    last.outcome = exited();
    RunRecord stray{.id = RunId{{2}, 1}};
    snapshot.last_runs = {stray, last, RunRecord{.id = RunId{{9}, 1}}};
    const auto remnants = match(std::move(snapshot), {ProcessId{2}, ProcessId{3}, ProcessId{4}, ProcessId{5}});
    REQUIRE(remnants.size() == 5);
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(remnants[i].id.number == i + 1);
    CHECK((remnants[0].record && !remnants[0].has_directory));
    CHECK((!remnants[1].record && remnants[1].has_directory && remnants[1].last_run));
    CHECK((remnants[2].record && remnants[2].has_directory));
    CHECK(known_ended(remnants[3]) == 7);
    CHECK((!remnants[4].record && remnants[4].has_directory && !remnants[4].last_run));
}

TEST_CASE("of a process whose record is lost, its history tells what was asked for last") {
    const auto remembered = [](std::vector<std::pair<std::string, std::string>> history) {
        ProcessRecord record;
        record.wanted = Wanted::up;
        record.definition.label = "one";
        std::vector<AuditEntry> entries;
        for (auto& [action, detail] : history)
            entries.push_back({.action = std::move(action), .detail = std::move(detail)});
        remember(record, entries);
        return record;
    };
    CHECK(remembered({}).wanted == Wanted::up);
    CHECK(remembered({{"start", "sleep 1"}, {"stop", ""}}).wanted == Wanted::down);
    CHECK(remembered({{"stop", ""}, {"start", "sleep 1"}}).wanted == Wanted::up);
    CHECK(remembered({{"stop", ""}, {"restart", ""}}).wanted == Wanted::up);
    CHECK(remembered({{"stop", ""}, {"signal", "HUP"}}).wanted == Wanted::down);

    const auto renamed = remembered({{"rename", "zero to one"}, {"rename", "one to two"}, {"rename", "two to to to"}});
    CHECK(renamed.definition.label == "to to");
    CHECK(renamed.definition.label_given);
    CHECK(remembered({}).definition.label == "one");
}

TEST_CASE("a run that is known to have had a program is not forgotten with its directory") {
    ProcessRecord record;
    record.id = {4};
    record.last_run = 2;
    RunRecord known{.id = RunId{{4}, 2}, .pid = 77};
    const auto missing_of = [&](std::vector<std::uint32_t> on_disk) {
        return missing_run({.runs = std::move(on_disk)}, record, known, boot);
    };
    const auto missing = missing_of({1});
    REQUIRE(missing);
    CHECK(missing->id == known.id);
    CHECK(name_of(classify(*missing, {}, Wanted::up, boot, now)) ==
          "ended, lost: its run directory is damaged: its directory is missing");
    CHECK(name_of(classify(*missing, {}, Wanted::up, boot, now, true)) == "ended, lost: it ended with the machine");
    CHECK(name_of(classify(*missing, exited(), Wanted::down, boot, now)) == "settled");
    CHECK(missing_of({}));

    CHECK_FALSE(missing_of({1, 2}));  // what is there says itself whether it had one
    CHECK_FALSE(missing_of({3}));
    CHECK_FALSE(missing_run({.runs = {1}}, record, std::nullopt, boot));
    known.pid = 0;  // recorded as wanted, and nothing else
    CHECK_FALSE(missing_of({}));
    // Something has printed.
    CHECK(missing_run({.has_output = true}, record, known, boot)->id == RunId{{4}, 2});
    known.outcome = exited();
    CHECK(missing_of({}));
    // The row of its run is damaged: a start has one from its beginning.
    CHECK(missing_run({}, record, std::nullopt, boot)->id == RunId{{4}, 2});
    known.outcome.reset();
    record.is_without_directory = true;
    CHECK(missing_run({}, record, known, boot)->id == RunId{{4}, 2});
}

TEST_CASE("a start that was under way when the machine was restarted is not forgotten with its directory") {
    ProcessRecord record;
    record.id = {4};
    record.last_run = 2;
    record.intent = Intent::start;
    RunRecord last{.id = RunId{{4}, 2}};
    const auto missing_of = [&](std::vector<std::uint32_t> on_disk) {
        return missing_run({.runs = std::move(on_disk)}, record, last, boot);
    };
    CHECK_FALSE(missing_of({1}));  // of a daemon that did not say in which boot
    record.boot = base::to_hex(boot);
    CHECK_FALSE(missing_of({1}));  // its daemon died before it was made
    record.boot = base::to_hex(other_boot);
    REQUIRE(missing_of({1}));
    CHECK(missing_of({1})->id == last.id);
    last.id.number = 1;  // one that may be taken back is no run on record yet
    last.outcome = exited();
    REQUIRE(missing_of({1}));
    CHECK(missing_of({1})->id.number == 2);
    CHECK_FALSE(missing_of({1, 2}));
    record.intent = Intent::none;  // it failed, and was taken back
    CHECK_FALSE(missing_of({1}));
}

TEST_CASE("a process whose directory is missing is told from one that was being removed") {
    Remnant remnant;
    remnant.record.emplace();
    ProcessRecord& record = *remnant.record;
    record.id = {4};
    record.last_run = 1;
    record.intent = Intent::start;
    record.boot = base::to_hex(boot);
    remnant.last_run = RunRecord{.id = RunId{{4}, 1}};
    CHECK_FALSE(has_lost_directory(remnant, boot));  // a start that nobody has heard of
    record.boot = base::to_hex(other_boot);
    CHECK(has_lost_directory(remnant, boot));
    record.intent = Intent::none;
    CHECK_FALSE(has_lost_directory(remnant, boot));
    for (const auto& begun_in : {boot, other_boot}) {
        record.boot = base::to_hex(begun_in);
        record.intent = Intent::none;
        remnant.last_run = RunRecord{.id = RunId{{4}, 1}, .pid = 77};
        CHECK(has_lost_directory(remnant, boot));
        remnant.last_run->outcome = exited();
        CHECK(has_lost_directory(remnant, boot));
        remnant.last_run.reset();  // its row is damaged: no proof of anything
        CHECK(has_lost_directory(remnant, boot));
        remnant.last_run = RunRecord{.id = RunId{{4}, 1}};
        record.is_without_directory = true;  // an earlier daemon has found it so
        CHECK(has_lost_directory(remnant, boot));
        record.intent = Intent::remove;
        CHECK_FALSE(has_lost_directory(remnant, boot));
        record.is_without_directory = false;
        remnant.last_run->pid = 77;
        CHECK_FALSE(has_lost_directory(remnant, boot));
    }
    record.intent = Intent::none;
    remnant.has_directory = true;
    CHECK_FALSE(has_lost_directory(remnant, boot));
}

TEST_CASE("the store tells how to find a program whose run says nothing of it") {
    RunRecord known{.id = RunId{{4}, 2}, .pid = 77, .start_ticks = 5, .mark = "000102030405060708090a0b0c0d0e0f"};
    ProcessRecord record;
    record.id = {4};
    record.last_run = 2;
    record.boot = base::to_hex(boot);
    auto run = missing_run({}, record, known, boot);
    REQUIRE(run);
    CHECK(run->state.pid == 77);
    CHECK(run->state.start_ticks == 5);
    CHECK(base::to_hex(run->state.nonce) == known.mark);
    record.boot = base::to_hex(other_boot);  // a pid of then is anybody's
    run = missing_run({}, record, known, boot);
    CHECK(run->state.start_ticks == 0);
    CHECK(run->state.nonce == rundir::Nonce{});
    record.boot = base::to_hex(boot);
    record.last_run = 3;  // a start that came to nothing: when the one before it was begun is not on record
    run = missing_run({}, record, known, boot);
    CHECK(run->state.start_ticks == 0);
    CHECK(base::to_hex(run->state.nonce) == "000102030405060708090a0b0c0d0e0f");
    record.last_run = 2;
    for (const char* mark : {"", "00", "0001x2030405060708090a0b0c0d0e0f"}) {
        known.mark = mark;
        CHECK(missing_run({}, record, known, boot)->state.nonce == rundir::Nonce{});
    }
    FoundRun damaged = a_run(rundir::Phase::none);
    damaged.spec.emplace().nonce = {9};
    known.mark = "000102030405060708090a0b0c0d0e0f";
    recall_program(damaged, known, record, boot);
    CHECK(damaged.state.pid == 77);
    CHECK(damaged.state.nonce == rundir::Nonce{});  // the spec's word counts
}

TEST_CASE("a run that waits for its start in a project is told from one that may have had a program") {
    const base::BootId this_one{1}, earlier{2};
    ProcessRecord record;
    record.planned = Planned::waiting;
    record.pending_run = 3;
    record.last_run = 2;
    FoundRun run;
    run.id = RunId{{1}, 3};
    run.state.boot_id = this_one;
    CHECK(is_pending(run, record, this_one));
    SECTION("its start was asked for and came to nothing") {
        record.last_run = 3;
        CHECK(is_pending(run, record, this_one));
    }
    SECTION("its start was not asked for, and the machine was restarted") {
        run.state.boot_id = earlier;
        CHECK(is_pending(run, record, this_one));
        record.last_run = 3;  // it was: the word that a program ran may be gone
        CHECK(!is_pending(run, record, this_one));
        run.state.phase = rundir::Phase::aborted;
        CHECK(is_pending(run, record, this_one));
    }
    SECTION("it is another one, or not meant to begin") {
        run.id.number = 2;
        CHECK(!is_pending(run, record, this_one));
        run.id.number = 3;
        record.planned = Planned::failed;
        CHECK(!is_pending(run, record, this_one));
    }
    SECTION("something of it lives, ran, or cannot be read") {
        SECTION("lives") { run.shim_alive = true; }
        SECTION("ran") { run.state.phase = rundir::Phase::started; }
        SECTION("unread") { run.trouble = "damaged"; }
        CHECK(!is_pending(run, record, this_one));
    }
}

TEST_CASE("what a failed start left behind is told from a process that was there") {
    const auto found = [](rundir::Phase phase, std::uint32_t run) {
        FoundProcess out;
        out.runs = {run};
        out.newest = a_run(phase);
        return out;
    };
    const FoundProcess failed = found(rundir::Phase::exec_failed, 1);
    CHECK(is_failed_start(failed, nullptr, nullptr));
    CHECK_FALSE(is_failed_start(found(rundir::Phase::exited, 1), nullptr, nullptr));
    // Those before it may have run.
    CHECK_FALSE(is_failed_start(found(rundir::Phase::exec_failed, 2), nullptr, nullptr));
    FoundProcess unread = failed;
    unread.trouble = "input/output error";
    CHECK_FALSE(is_failed_start(unread, nullptr, nullptr));
    // Its row was to be removed, too; an outcome is on record only of what was to stay.
    ProcessRecord record;
    record.last_run = 1;
    RunRecord run{.id = RunId{{1}, 1}};
    CHECK(is_failed_start(failed, &record, &run));
    run.outcome = exited();
    CHECK_FALSE(is_failed_start(failed, &record, &run));
    record.last_run = 2;
    CHECK_FALSE(is_failed_start(failed, &record, nullptr));
}

TEST_CASE("a start may have come to nothing where the store knows of no program") {
    ProcessRecord record;
    record.last_run = 1;
    RunRecord run{.id = RunId{{1}, 1}};
    CHECK(may_be_failed_start(record, nullptr));
    CHECK(may_be_failed_start(record, &run));
    run.pid = 4711;
    CHECK_FALSE(may_be_failed_start(record, &run));
    run.pid = 0;
    run.outcome = exited();
    CHECK_FALSE(may_be_failed_start(record, &run));
    record.last_run = 2;
    CHECK_FALSE(may_be_failed_start(record, nullptr));
}

}  // namespace found_test
