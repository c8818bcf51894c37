#pragma once
/// Named places where a build for crash tests (PERSISTPROC_KILL_POINTS) dies when it is told to; in any other build
/// they are nothing.
///
/// PERSISTPROC_KILL_AT names a directory (absolute). While there is a file of a point's name in it, whoever passes the
/// point for the N-th time since then (the file holds N; empty: 1) removes the file and sends itself SIGKILL. So each
/// file kills once, and that it is gone proves it. Files, not a name in the variable: a daemon hands it on to its
/// shims, and a test arms one point after the other in programs that live.
#include <cstddef>

namespace persistproc::base {

/// All there are: what starts, ends, restarts, removes, rotates and recovers passes them roughly in this order.
inline constexpr const char* kill_points[] = {
    // A start, in the daemon: the row is committed; files made, still hidden; in their place; shim executed; its READY
    // heard; COMMIT sent; the program's start heard, not yet recorded.
    "daemon.start.recorded", "daemon.start.written", "daemon.start.prepared", "daemon.start.spawned",
    "daemon.start.ready", "daemon.start.committed", "daemon.start.heard",
    // Any row about something that has happened.
    "daemon.record.committed",
    // A stop and a restart: the wish is committed; the shim has it; the end is heard.
    "daemon.stop.recorded", "daemon.restart.recorded", "daemon.stop.sent", "daemon.end.heard",
    // A project: what its file has no more is stopped, and on record as nobody's; the runs to come of an up are
    // prepared, and nothing says so yet; that is committed, and nothing is begun; a down is committed.
    "daemon.up.removed", "daemon.up.prepared", "daemon.up.recorded", "daemon.down.recorded",
    // A removal: on record, by the directory's name; deleted.
    "daemon.remove.hidden", "daemon.remove.deleted",
    // A recovery: the rows are read; the directories are listed; all processes are known; a shim is connected; has been
    // greeted; has answered; a start that came to nothing is removed; a wish of the daemon before is about to be
    // carried out; everything is decided; what projects are asked for is about to go on.
    "daemon.adopt.loaded", "daemon.adopt.listed", "daemon.adopt.placed", "daemon.adopt.connected",
    "daemon.adopt.greeted", "daemon.adopt.answered", "daemon.adopt.dropped", "daemon.adopt.intent", "daemon.adopt.done",
    "daemon.adopt.planned",
    // A take-over: another shim is executed; it has been given what it needs.
    "daemon.takeover.spawned", "daemon.takeover.committed",
    // In that shim: it has the output that was under way; the log is opened and set right; that output is in the log;
    // the state says that it took over; the daemon has been told.
    "shim.takeover.inherited", "shim.takeover.opened", "shim.takeover.resumed", "shim.takeover.recorded",
    "shim.takeover.told",
    // A start, in the shim: one that waits for a run to come; it has been given one, and holds nothing of it.
    "shim.idle", "shim.given", "shim.locked", "shim.prepared", "shim.ready", "shim.commit", "shim.forked",
    "shim.started",    // written
    "shim.released",   // the child may execute
    "shim.confirmed",  // it has
    // Output.
    "log.data",  // appended, without its record
    "log.record",
    "log.rotate.data",  // the new segment's files, one after the other, and its header
    "log.rotate.index", "log.rotate.header",
    // The end.
    "shim.stop.recorded",  // nobody has been signalled yet
    "shim.exit.seen", "shim.exit.drained",
    "shim.exit.logged",  // its event, the log's last word
    "shim.exit.recorded", "shim.exit.reaped", "shim.exit.told",
    "shim.leaving",   // the log is given up, nobody is told
    "shim.emptied",   // that the tree is empty is written, and nobody is told
    "shim.left",      // everything is told and given up; nothing is synced yet
    "shim.aborting",  // the daemon left before COMMIT
};

/// One of them. A name that is not in the list does not compile.
class KillPoint {
public:
    consteval KillPoint(const char* name) : index_(find(name)) {}
    constexpr std::size_t index() const noexcept { return index_; }

private:
    static consteval std::size_t find(const char* name) {
        for (std::size_t i = 0; i < sizeof kill_points / sizeof kill_points[0]; ++i) {
            std::size_t at = 0;
            while (name[at] == kill_points[i][at] && name[at] != '\0') ++at;
            if (name[at] == kill_points[i][at]) return i;
        }
        no_such_kill_point();
        return 0;
    }
    static void no_such_kill_point();  // no constant expression, so whoever gets here does not compile

    std::size_t index_;
};

#ifdef PERSISTPROC_KILL_POINTS
/// Dies here when told to. From any thread, without heap; errno stays.
void kill_point(KillPoint here) noexcept;
/// "PERSISTPROC_KILL_AT=…" as this process has it, for the environment of a shim; nullptr without it.
const char* find_kill_setting() noexcept;
#else
constexpr void kill_point(KillPoint) noexcept {}
constexpr const char* find_kill_setting() noexcept { return nullptr; }
#endif

}  // namespace persistproc::base
