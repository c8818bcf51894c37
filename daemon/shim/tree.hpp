#pragma once
/// The processes of a run.
///
/// Those of the keeper that started the program are its descendants: it is their subreaper, so that their chain of
/// parents leads here whatever they do (setsid, double fork). A successor of that keeper is nobody's ancestor. It knows
/// them by the run's mark in their environment, by their parents, of which the program is the first, by having seen
/// them before, and at its first look by the program's session and by standard output or error that is a pipe of the
/// run. One that has left its parents, the session and the pipes, and emptied its environment, names the run no more:
/// the daemon that started the keeper knows it by how it came to be its child, unless other runs have lost theirs, too.
/// A pid is signalled only while a descriptor pins it and it has been looked at once more.
///
/// Spared are a daemon that was started within the tree (a client in it does that when it finds none), the keepers of
/// its runs, and everything below either: they cannot leave the tree, and others depend on them. They are told by
/// holding the lock of the daemon or of a run of the same data directory as this run, known by inode; names prove
/// nothing. A daemon of another data directory is part of the tree. The run's own program always is.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "common/base/process_identity.hpp"

namespace persistproc::shim {

class Tree {
public:
    /// Of the run in that directory (<data>/procs/<id>/runs/<n>), of which this process holds the lock. The mark
    /// ("NAME=value") stays the caller's. Returns 0 or errno.
    int open(int run_directory, const char* mark) noexcept;
    void set_program(base::PidIdentity program) noexcept { program_ = program; }
    /// A member by the daemon's word, before `take_over`; pid 0 is none.
    void know(base::PidIdentity process) noexcept;
    /// The tree is one that another keeper began. Looks at it, to know again what loses its parents. `outputs`: the
    /// read ends of the program's pipes, or a slave of its terminal, the caller's; -1 where there is none.
    void take_over(base::PidIdentity program, const int* outputs, std::size_t count) noexcept;

    /// Signals all of it. `group`: the program's process group, which is signalled at once unless one of the spared is
    /// in it; 0: none. Returns how many processes there were. What forks meanwhile is found by the next call.
    int signal(int signal, pid_t group) noexcept;
    /// The same twice, after one look: a stopped process keeps a signal pending, and must run to obey. `hangs_up`:
    /// those that ignore the signal, as interactive shells do, get SIGHUP besides; the others may end in peace.
    void signal_and_continue(int signal, pid_t group, bool hangs_up) noexcept;
    /// Signals the process group, but for the spared. Returns 0 or errno.
    int signal_group(int signal, pid_t group) noexcept;
    /// Whether nothing of it is left; no, where something could not be looked at. Only when the program has been
    /// reaped.
    bool is_empty() noexcept;

private:
    enum class Belonging { member, spared, doubtful };

    void find() noexcept;
    void deliver(int signal, pid_t group) noexcept;
    void find_descendants() noexcept;
    void find_by_marks() noexcept;
    void recognise(const int* outputs, std::size_t count) noexcept;
    void sift(std::size_t first, bool are_orphans) noexcept;
    Belonging judge(pid_t pid, bool is_orphan) noexcept;
    bool is_lock_of_others(int descriptors, const char* number) const noexcept;
    bool is_mark_of_others(const char* digits) noexcept;
    bool belongs(std::size_t index) const noexcept;
    void remember() noexcept;

    static constexpr std::size_t most_marks = 8, mark_digits = 32;
    struct KnownMark {
        char digits[mark_digits];
        bool is_of_others;
    };

    int data_ = -1;  // the data directory
    dev_t lock_device_ = 0;
    ino_t lock_inode_ = 0;
    const char* mark_ = nullptr;
    base::PidIdentity program_;
    bool is_successor_ = false;
    KnownMark known_marks_[most_marks] = {};
    std::size_t next_mark_ = 0;
};

}  // namespace persistproc::shim
