#include "daemon/shim/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/rundir/run_mark.hpp"
#include "common/rundir/state_slots.hpp"
#include "daemon/shim/os.hpp"
#include "daemon/shim/short_text.hpp"

namespace persistproc::shim {
namespace {

constexpr std::size_t most = 16384;
constexpr int deepest = 4096;  // deeper than any honest tree

// What the last look has found; a bomb larger than this is met in several calls.
pid_t found[most];
bool is_deaf[most];           // to the signal of a stop, before it was sent
bool is_doubtful[most];       // could not be judged: counts, and is left alone until the next look
pid_t parents[most];          // of found[i], where all of /proc was read
std::uint64_t started[most];  // likewise
pid_t sessions[most];         // likewise
std::size_t found_count = 0;
pid_t spared[most];
std::size_t spared_count = 0;
bool has_missed = false;  // something could not be read: there may be others
/// Whom the last look took for members. Here, since memory that nothing was ever written to costs nothing.
constexpr std::size_t most_remembered = 512;
base::PidIdentity remembered[most_remembered];
std::size_t remembered_count = 0;

/// Whom a look has found to carry no mark of ours, by pid: that changes for nobody who is not below a member. To read
/// an environment takes most of the time of a look.
constexpr std::size_t most_strangers = 4096;
base::PidIdentity strangers[most_strangers];

bool is_stranger(base::PidIdentity process) noexcept {
    return strangers[static_cast<std::size_t>(process.pid) % most_strangers] == process;
}

void note_stranger(base::PidIdentity process) noexcept {
    strangers[static_cast<std::size_t>(process.pid) % most_strangers] = process;
}

using ProcPath = ShortText<64>;

/// Whether a call failed for want of descriptors or memory: then it says nothing of what it was asked for.
bool is_for_want(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM; }

void note_failure(int error) noexcept {
    if (is_for_want(error)) has_missed = true;
}

pid_t parse_pid(const char*& at, const char* end) noexcept {
    long value = 0;
    for (; at < end && *at >= '0' && *at <= '9' && value < 100'000'000; ++at) value = value * 10 + (*at - '0');
    return static_cast<pid_t>(value);
}

struct Facts {
    bool is_dead = false;  // a zombie; one whose first thread alone has ended is none
    pid_t parent = 0;
    pid_t session = 0;
    std::uint64_t started = 0;
};

/// proc_pid_stat(5). False: it is gone. The name stands in parentheses and may hold any byte.
bool read_facts(pid_t pid, Facts& out) noexcept {
    char text[1024];
    const ssize_t size =
        os::read_file_at(AT_FDCWD, ProcPath("/proc/").add(pid).add("/stat").c_str(), text, sizeof text);
    if (size < 0) note_failure(static_cast<int>(-size));
    if (size <= 0) return false;
    const auto* close = static_cast<const char*>(::memrchr(text, ')', static_cast<std::size_t>(size)));
    if (close == nullptr || text + size - close < 5) return false;
    std::uint64_t threads = 0;
    const char* const end = text + size;
    const char* at = close + 1;
    for (int field = 3; at < end; ++field) {
        ++at;  // the space before it
        std::uint64_t number = 0;
        for (const char* digit = at; digit < end && *digit >= '0' && *digit <= '9'; ++digit)
            number = number * 10 + static_cast<std::uint64_t>(*digit - '0');
        if (field == 3) out.is_dead = *at == 'Z' || *at == 'X';
        if (field == 4) out.parent = static_cast<pid_t>(number);
        if (field == 6) out.session = static_cast<pid_t>(number);
        if (field == 20) threads = number;
        if (field == 22) out.started = number;
        while (at < end && *at != ' ') ++at;
    }
    out.is_dead = out.is_dead && threads <= 1;
    return true;
}

pid_t parent_of(pid_t pid) noexcept {
    Facts facts;
    return read_facts(pid, facts) ? facts.parent : 0;
}

bool is_spared(pid_t pid) noexcept {
    for (std::size_t i = 0; i < spared_count; ++i)
        if (spared[i] == pid) return true;
    return false;
}

void spare(pid_t pid) noexcept {
    if (spared_count < most) spared[spared_count++] = pid;
}

void add_found(pid_t pid) noexcept {
    if (pid <= 0 || found_count == most) return;
    is_doubtful[found_count] = false;
    found[found_count++] = pid;
}

/// Calls `each` with every entry of an open directory, and closes it.
template <class Each>
void for_each_name(int directory, Each each) noexcept {
    alignas(dirent64) char buffer[8192];
    long got;
    while ((got = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < got;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            if (entry->d_name[0] != '.') each(entry->d_name);
            at += entry->d_reclen;
        }
    }
    if (got < 0) note_failure(errno);
    ::close(directory);
}

/// Calls `each` with every numeric name in a directory. False: it cannot be read.
template <class Each>
bool for_each_number(const char* path, Each each) noexcept {
    const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        note_failure(errno);
        return false;
    }
    for_each_name(fd, [&](const char* name) {
        const char* at = name;
        const pid_t number = parse_pid(at, name + std::strlen(name));
        if (number > 0 && *at == '\0') each(number);
    });
    return true;
}

/// Children of one process, by its threads. False: this kernel does not list children.
bool add_children(pid_t pid) noexcept {
    bool listed = true;
    const bool exists = for_each_number(ProcPath("/proc/").add(pid).add("/task").c_str(), [&](pid_t thread) {
        const ProcPath path = ProcPath("/proc/").add(pid).add("/task/").add(thread).add("/children");
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno == ENOENT && pid == ::getpid()) listed = false;
            note_failure(errno);
            return;
        }
        char text[4096];
        pid_t pending = 0;
        ssize_t got;
        while ((got = os::read(fd, text, sizeof text)) > 0) {
            for (ssize_t i = 0; i < got; ++i) {
                if (text[i] >= '0' && text[i] <= '9') {
                    pending = pending * 10 + (text[i] - '0');
                } else {
                    add_found(pending);
                    pending = 0;
                }
            }
        }
        if (got < 0) note_failure(static_cast<int>(-got));
        add_found(pending);
        ::close(fd);
    });
    return listed && (exists || pid != ::getpid());
}

/// All processes that live into found[], with parents, sessions and times of start.
std::size_t read_all() noexcept {
    std::size_t all = 0;
    const pid_t self = ::getpid();
    bool is_self_met = false;
    for_each_number("/proc", [&](pid_t pid) {
        if (pid == self) is_self_met = true;
        if (all == most) has_missed = true;
        Facts facts;
        if (all == most || !read_facts(pid, facts) || facts.is_dead) return;
        parents[all] = facts.parent;
        started[all] = facts.started;
        sessions[all] = facts.session;
        is_doubtful[all] = false;
        found[all++] = pid;
    });
    if (!is_self_met) has_missed = true;
    return all;
}

void begin_look() noexcept {
    found_count = spared_count = 0;
    has_missed = false;
}

void swap_found(std::size_t a, std::size_t b) noexcept {
    std::swap(found[a], found[b]);
    std::swap(parents[a], parents[b]);
    std::swap(started[a], started[b]);
    std::swap(sessions[a], sessions[b]);
    std::swap(is_doubtful[a], is_doubtful[b]);
}

struct File {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const File&) const = default;
};

/// Whether standard output or error of a process is one of these.
bool writes_to(pid_t pid, const File* files, std::size_t count) noexcept {
    for (const int number : {1, 2}) {
        struct stat theirs {};
        const ProcPath path = ProcPath("/proc/").add(pid).add("/fd/").add(number);
        // Only pipes and terminals: a file may be on a file system that hangs, and stat would hang with it.
        char target[10] = {};
        if (::readlink(path.c_str(), target, sizeof target - 1) < 0) continue;
        const std::string_view name(target);
        if (!name.starts_with("pipe:") && !name.starts_with("/dev/pts/")) continue;
        if (::stat(path.c_str(), &theirs) != 0) continue;
        for (std::size_t i = 0; i < count; ++i)
            if (files[i] == File{theirs.st_dev, theirs.st_ino}) return true;
    }
    return false;
}

/// Whose mark a process carries, which it does from its execve on.
struct Mark {
    bool is_read = false;  // else it has no environment, or none yet: it may be in its execve
    bool is_there = false, is_ours = false;
    char digits[33] = {};  // of the last one that is not ours
};

Mark mark_of(pid_t pid, const char* ours) noexcept {
    Mark out;
    const int fd = ::open(ProcPath("/proc/").add(pid).add("/environ").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        note_failure(errno);
        return out;
    }
    constexpr std::size_t name_size = sizeof rundir::run_mark_name;  // with the '='
    constexpr std::size_t entry_size = name_size + 32;
    char text[4096], entry[entry_size + 1];
    std::size_t size = 0;  // of the entry, as far as it has come; one that is too long is none of ours
    const auto end_entry = [&] {
        if (size == entry_size && std::memcmp(entry, ours, name_size) == 0) {
            out.is_there = true;
            if (std::memcmp(entry, ours, entry_size) == 0)
                out.is_ours = true;
            else
                std::memcpy(out.digits, entry + name_size, 32);
        }
        size = 0;
    };
    ssize_t got;
    while (!out.is_ours && (got = os::read(fd, text, sizeof text)) > 0) {
        out.is_read = true;
        for (ssize_t i = 0; i < got && !out.is_ours; ++i) {
            if (text[i] == '\0')
                end_entry();
            else if (size <= entry_size)
                entry[size < entry_size ? size : entry_size] = text[i], ++size;
        }
    }
    if (got < 0) {
        note_failure(static_cast<int>(-got));
        out.is_read = false;
    }
    end_entry();
    ::close(fd);
    return out;
}

/// Whether the descriptor of that number holds an exclusive lock (proc_pid_fdinfo(5), "lock:").
bool holds_lock(pid_t pid, const char* number) noexcept {
    char text[1024];
    const ProcPath path = ProcPath("/proc/").add(pid).add("/fdinfo/").add(number);
    const ssize_t size = os::read_file_at(AT_FDCWD, path.c_str(), text, sizeof text);
    if (size <= 0) return false;
    const std::string_view all(text, static_cast<std::size_t>(size));
    const std::size_t line = all.find("\nlock:");
    return line != all.npos && all.find(" WRITE ", line) != all.npos;
}

/// The part of a path that says where in a data directory a lock is; empty: it is none.
std::string_view place_of_lock(std::string_view path) noexcept {
    constexpr std::string_view daemon = "/daemon.lock", run = "/shim.lock";
    std::size_t names = 0;
    if (path.ends_with(daemon)) names = 1;
    if (path.ends_with(run)) names = 5;  // procs/<id>/runs/<n>/shim.lock
    std::size_t at = path.size();
    for (; names > 0 && at != path.npos; --names) at = at == 0 ? path.npos : path.rfind('/', at - 1);
    if (at == path.npos || at == path.size()) return {};
    path.remove_prefix(at + 1);
    return path;
}

/// The digits of the nonce that a run's state names; false: it cannot be read.
bool read_nonce_digits(int run, char* digits) noexcept {
    char image[rundir::state_file_bytes];
    const ssize_t size = os::read_file_at(run, "state", image, sizeof image);
    rundir::RunState state;
    if (size <= 0 || rundir::find_newest_state(image, static_cast<std::size_t>(size), state) == EBADMSG) return false;
    for (const unsigned byte : state.nonce) {
        *digits++ = "0123456789abcdef"[byte >> 4];
        *digits++ = "0123456789abcdef"[byte & 15];
    }
    return true;
}

/// The signals that it ignores, a bit each (proc_pid_status(5)); 0, too, where that cannot be read.
std::uint64_t ignored_by(pid_t pid) noexcept {
    char text[4096];
    const ssize_t size =
        os::read_file_at(AT_FDCWD, ProcPath("/proc/").add(pid).add("/status").c_str(), text, sizeof text);
    if (size <= 0) return 0;
    constexpr std::string_view name = "\nSigIgn:\t";
    const std::string_view all(text, static_cast<std::size_t>(size));
    std::size_t at = all.find(name);
    if (at == all.npos) return 0;
    std::uint64_t mask = 0;
    for (at += name.size(); at < all.size() && all[at] != '\n'; ++at)
        mask = mask << 4 | static_cast<unsigned>(all[at] <= '9' ? all[at] - '0' : all[at] - 'a' + 10);
    return mask;
}

template <class IsStill>
void signal_one(pid_t pid, int signal, IsStill is_still) noexcept {
    const auto pinned = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pinned < 0) {
        // Linux before 5.3, or no descriptor left: the check alone must do.
        if (errno != ESRCH && is_still()) ::kill(pid, signal);
        return;
    }
    if (is_still()) ::syscall(SYS_pidfd_send_signal, pinned, signal, nullptr, 0);
    ::close(pinned);
}

bool is_spared_in(pid_t group) noexcept {
    for (std::size_t i = 0; i < spared_count; ++i)
        if (::getpgid(spared[i]) == group) return true;
    return false;
}

}  // namespace

int Tree::open(int run_directory, const char* mark) noexcept {
    mark_ = mark;
    data_ = ::openat(run_directory, "../../../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat lock {};
    if (data_ < 0 || ::fstatat(run_directory, "shim.lock", &lock, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    lock_device_ = lock.st_dev;
    lock_inode_ = lock.st_ino;
    return 0;
}

void Tree::take_over(base::PidIdentity program, const int* outputs, std::size_t count) noexcept {
    is_successor_ = true;
    program_ = program;
    recognise(outputs, count);
    find();
}

/// Remembers who tells without a mark that it belongs to the run: only a descendant is in the session that the program
/// leads, as long as the program's pid cannot be another's, and only a descendant has been given the write end of its
/// pipes. The daemon holds the read ends alone.
void Tree::recognise(const int* outputs, std::size_t count) noexcept {
    constexpr std::size_t most_files = 4;
    File files[most_files];
    std::size_t known_files = 0;
    for (std::size_t i = 0; i < count && known_files < most_files; ++i) {
        struct stat ours {};
        if (outputs[i] >= 0 && ::fstat(outputs[i], &ours) == 0) files[known_files++] = {ours.st_dev, ours.st_ino};
    }
    const bool knows_session = program_.pid > 0 && base::find_start_ticks(program_.pid) == program_.start_ticks;
    const std::size_t all = read_all();
    for (std::size_t i = 0; i < all && remembered_count < most_remembered; ++i) {
        if (started[i] == 0) continue;
        if ((knows_session && sessions[i] == program_.pid) || writes_to(found[i], files, known_files))
            remembered[remembered_count++] = {found[i], started[i]};
    }
}

void Tree::know(base::PidIdentity process) noexcept {
    if (process.pid > 0 && remembered_count < most_remembered) remembered[remembered_count++] = process;
}

int Tree::signal(int signal, pid_t group) noexcept {
    find();
    deliver(signal, group);
    return static_cast<int>(found_count);
}

void Tree::signal_and_continue(int signal, pid_t group, bool hangs_up) noexcept {
    find();
    // What hears the signal may ignore it from then on, while it cleans up: asked before. And SIGTERM, too: shells
    // begin what runs in the background with SIGINT ignored, and end it themselves.
    const std::uint64_t both = 1ull << (signal - 1) | 1ull << (SIGTERM - 1);
    for (std::size_t i = 0; i < found_count; ++i)
        is_deaf[i] = hangs_up && !is_doubtful[i] && (ignored_by(found[i]) & both) == both;
    deliver(signal, group);
    deliver(SIGCONT, group);
    for (std::size_t i = 0; i < found_count; ++i)
        if (is_deaf[i]) signal_one(found[i], SIGHUP, [this, i] { return belongs(i); });
}

void Tree::deliver(int signal, pid_t group) noexcept {
    const bool at_once = group != 0 && !is_spared_in(group);
    if (at_once) os::kill_group(group, signal);
    for (std::size_t i = 0; i < found_count; ++i) {
        if (is_doubtful[i] || (at_once && ::getpgid(found[i]) == group)) continue;
        signal_one(found[i], signal, [this, i] { return belongs(i); });
    }
}

int Tree::signal_group(int signal, pid_t group) noexcept {
    find();
    if (!is_spared_in(group)) return os::kill_group(group, signal);
    bool is_met = false;
    for (std::size_t i = 0; i < found_count; ++i) {
        if (is_doubtful[i] || ::getpgid(found[i]) != group) continue;
        signal_one(found[i], signal, [this, i] { return belongs(i); });
        is_met = true;
    }
    return is_met ? 0 : ESRCH;
}

bool Tree::is_empty() noexcept {
    begin_look();
    if (is_successor_ || !add_children(::getpid())) {
        find();
        return found_count == 0 && !has_missed;
    }
    // Whatever else there is has one of the keeper's children above it, which is then part of the tree.
    for (std::size_t i = 0; i < found_count; ++i)
        if (judge(found[i], true) != Belonging::spared) return false;
    return !has_missed;
}

void Tree::find() noexcept {
    begin_look();
    if (is_successor_)
        find_by_marks();
    else
        find_descendants();
}

/// Takes out of found[first…] who is spared.
void Tree::sift(std::size_t first, bool are_orphans) noexcept {
    std::size_t kept = first;
    for (std::size_t i = first; i < found_count; ++i) {
        const Belonging belonging = judge(found[i], are_orphans);
        if (belonging == Belonging::spared) {
            spare(found[i]);
            continue;
        }
        found[kept] = found[i];
        is_doubtful[kept++] = belonging == Belonging::doubtful;
    }
    found_count = kept;
}

void Tree::find_descendants() noexcept {
    const pid_t self = ::getpid();
    if (add_children(self)) {
        sift(0, true);
        for (std::size_t next = 0; next < found_count; ++next) {
            const std::size_t first = found_count;
            // What is below one that may have to be spared is left alone with it.
            if (!is_doubtful[next]) add_children(found[next]);
            sift(first, false);
        }
        return;
    }
    const std::size_t all = read_all();
    // Descendants come to the front, generation by generation.
    for (std::size_t next = 0; next <= found_count; ++next) {
        if (next > 0 && is_doubtful[next - 1]) continue;
        const pid_t parent = next == 0 ? self : found[next - 1];
        for (std::size_t i = found_count; i < all; ++i) {
            if (parents[i] != parent) continue;
            const Belonging belonging = judge(found[i], next == 0);
            if (belonging == Belonging::spared) {
                spare(found[i]);
                parents[i] = -1;
                continue;
            }
            is_doubtful[i] = belonging == Belonging::doubtful;
            swap_found(i, found_count++);
        }
    }
}

/// Those that carry the mark, the program, those known from before, and what is below any of them.
void Tree::find_by_marks() noexcept {
    const std::size_t all = read_all();
    const auto is_known = [this](std::size_t i) {
        const base::PidIdentity process{found[i], started[i]};
        if (process == program_) return true;
        for (std::size_t k = 0; k < remembered_count; ++k)
            if (remembered[k] == process) return true;
        return false;
    };
    const auto is_marked = [this](std::size_t i) {
        const base::PidIdentity process{found[i], started[i]};
        if (is_stranger(process)) return false;
        const Mark mark = mark_of(process.pid, mark_);
        if (mark.is_read && !mark.is_ours) note_stranger(process);
        return mark.is_ours;
    };
    const pid_t self = ::getpid();
    for (std::size_t i = 0; i < all; ++i) {
        if (found[i] == self) continue;
        const bool is_known_yet = is_known(i);
        const bool is_member = is_known_yet ? judge(found[i], false) == Belonging::member : is_marked(i);
        if (is_member) swap_found(i, found_count++);
    }
    for (std::size_t next = 0; next < found_count; ++next) {
        if (is_doubtful[next]) continue;
        for (std::size_t i = found_count; i < all; ++i) {
            if (parents[i] != found[next] || found[i] == self) continue;
            const Belonging belonging = judge(found[i], false);
            if (belonging == Belonging::spared) {
                spare(found[i]);
                parents[i] = -1;
                continue;
            }
            is_doubtful[i] = belonging == Belonging::doubtful;
            swap_found(i, found_count++);
        }
    }
    remember();
}

/// For the time when their parents are gone. By pid and time of start one could be taken for another only when a pid is
/// given anew within the same tick, for which all pids would have to be used up in it.
void Tree::remember() noexcept {
    remembered_count = 0;
    for (std::size_t i = 0; i < found_count && remembered_count < most_remembered; ++i)
        if (!is_doubtful[i] && started[i] != 0) remembered[remembered_count++] = {found[i], started[i]};
}

/// `is_orphan`: its parents may have been those of another run.
Tree::Belonging Tree::judge(pid_t pid, bool is_orphan) noexcept {
    if (pid == program_.pid) return Belonging::member;
    // A daemon takes the mark from itself before it takes its lock; keepers never have it.
    const Mark mark = mark_of(pid, mark_);
    if (mark.is_ours) return Belonging::member;
    const int descriptors = ::open(ProcPath("/proc/").add(pid).add("/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptors < 0) {
        note_failure(errno);
        return is_for_want(errno) ? Belonging::doubtful : Belonging::member;
    }
    bool holds = false;
    for_each_name(descriptors, [&](const char* number) {
        holds = holds || (is_lock_of_others(descriptors, number) && holds_lock(pid, number));
    });
    if (holds) return Belonging::spared;
    // The program of a run whose keeper was killed under a daemon that was killed later.
    return is_orphan && mark.is_there && is_mark_of_others(mark.digits) ? Belonging::spared : Belonging::member;
}

/// Whether it is the lock file of this data directory's daemon, or of another run in it. The path only says where to
/// look for it. Nothing else is looked at: what is on a file system that hangs would keep us for as long.
bool Tree::is_lock_of_others(int descriptors, const char* number) const noexcept {
    char path[PATH_MAX];
    const ssize_t size = ::readlinkat(descriptors, number, path, sizeof path - 1);
    if (size <= 0) return false;
    path[size] = '\0';
    const std::string_view place = place_of_lock({path, static_cast<std::size_t>(size)});
    if (place.empty()) return false;
    struct stat theirs {
    }, ours{};
    if (::fstatat(descriptors, number, &theirs, 0) != 0 ||
        ::fstatat(data_, place.data(), &ours, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    // This run's own is held, for a moment, by a child that has not executed its program yet.
    const bool is_own = ours.st_dev == lock_device_ && ours.st_ino == lock_inode_;
    return !is_own && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/// Whether a run in this data directory has that mark.
bool Tree::is_mark_of_others(const char* digits) noexcept {
    for (const KnownMark& known : known_marks_)
        if (std::memcmp(known.digits, digits, mark_digits) == 0) return known.is_of_others;
    bool is_found = false;
    const auto look_at_runs = [&](int process) {
        const int runs = ::openat(process, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (runs < 0) return;
        for_each_name(runs, [&](const char* name) {
            const int run = is_found ? -1 : ::openat(runs, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (run < 0) return;
            char theirs[mark_digits];
            is_found = read_nonce_digits(run, theirs) && std::memcmp(theirs, digits, mark_digits) == 0;
            ::close(run);
        });
    };
    const int processes = ::openat(data_, "procs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (processes < 0) return false;
    for_each_name(processes, [&](const char* name) {
        const int process = is_found ? -1 : ::openat(processes, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0) return;
        look_at_runs(process);
        ::close(process);
    });
    KnownMark& known = known_marks_[next_mark_++ % most_marks];
    std::memcpy(known.digits, digits, mark_digits);
    known.is_of_others = is_found;
    return is_found;
}

/// Whether found[index] is still what it was found to be.
bool Tree::belongs(std::size_t index) const noexcept {
    pid_t pid = found[index];
    if (is_successor_) {
        if (mark_of(pid, mark_).is_ours) return true;
        return started[index] != 0 && base::find_start_ticks(pid) == started[index] && parent_of(pid) == parents[index];
    }
    const pid_t self = ::getpid();
    // A chain that changes under us ends at init or at nothing.
    for (int depth = 0; depth < deepest && pid > 1; ++depth) {
        if (is_spared(pid)) return false;
        pid = parent_of(pid);
        if (pid == self) return true;
    }
    return false;
}

}  // namespace persistproc::shim
