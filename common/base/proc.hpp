#pragma once
/// What the kernel says of other processes and of sockets: proc(5), sock_diag(7). Of a process that is gone, or that
/// may not be looked at, nothing is said. All calls block; any thread. What must do without a heap stands in
/// process_identity.hpp, and the shim has its own.
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::base {

/// The file that this process executes, links followed; empty: the kernel does not say. One that was removed since is
/// told as its old path with " (deleted)" behind it.
std::filesystem::path own_program();

/// Every process of this PID namespace.
std::vector<pid_t> list_processes();

/// Adds the children of all threads of `pid`, or of its first thread alone: where it has no other
/// (`Activity::threads`), these are all.
void append_children(pid_t pid, std::vector<pid_t>& out, bool of_first_thread = false);

/// The short name, e.g. "python3", as it is: it may hold anything.
std::string command_name(pid_t pid);

/// The words it was started with; empty: it is gone, has none, or may not be looked at.
std::vector<std::string> command_line(pid_t pid);

/// The value of a variable in the environment that `pid` was started with and has not written over; nothing: it has
/// none, or is being torn down, or may not be looked at. Errors: io (for want of descriptors or memory; that says
/// nothing of it).
Result<std::optional<std::string>> find_variable(pid_t pid, std::string_view name);

/// What it does: time spent in user and system mode, in clock ticks (`ticks_per_second`), and whether it goes on.
struct Activity {
    pid_t parent = 0;
    std::uint64_t own_ticks = 0;     // by all its threads
    std::uint64_t reaped_ticks = 0;  // by the children it has waited for
    std::uint64_t start_ticks = 0;   // when it began, since boot: with its PID, which process this is
    std::uint64_t threads = 0;       // 0: it is gone
    bool is_suspended = false;       // by a signal
    std::uint64_t stack_start = 0;   // address, at random for each execve; 0: it may not be looked at
};
Activity activity_of(pid_t pid);
double ticks_per_second() noexcept;

/// How often its main thread has left a processor, by itself or not: a number that changes when it has run. 0: it is
/// gone.
std::uint64_t switches_of(pid_t pid);

struct ResidentBytes {
    std::int64_t all = 0;
    std::int64_t shared = 0;  // of these: files and shared memory
};
ResidentBytes resident_bytes(pid_t pid);

/// Of what is neither of files nor shared memory: each page divided by how many have it (copy on write). Walks its page
/// tables: some 150 us for a MiB, beside which the process goes on. Nothing: the kernel does not say.
std::optional<std::int64_t> proportional_bytes(pid_t pid);

/// The inodes of the sockets it has open: two system calls, and one for each descriptor.
std::vector<std::uint64_t> socket_inodes(pid_t pid);

/// How many descriptors it has open: one system call. 0: none, or the kernel does not say (before Linux 6.2).
std::int64_t count_descriptors(pid_t pid);

/// The path of a file that it has open and that is called `name`; nothing: it has none.
std::optional<std::filesystem::path> find_open_file(pid_t pid, std::string_view name);

/// Whether the kernel may have been given interpreters of programs that it does not know (binfmt_misc); also where that
/// is not shown.
bool may_have_interpreters();

/// How many directories or files all programs of this user may watch at once (inotify(7)).
std::size_t max_user_watches();

/// Listening TCP sockets of this network namespace: inode to port.
std::unordered_map<std::uint64_t, int> listening_ports();

/// A listening TCP socket and where it is to be reached from this machine.
struct Listener {
    std::uint64_t inode = 0;
    uid_t user = 0;  // whose process made it
    int port = 0;
    bool is_ipv6 = false;
    std::array<unsigned char, 16> address{};  // in the network's order, of IPv4 the first four; of one that listens on
                                              // all addresses the loopback's
};
std::vector<Listener> find_listeners(int port);

}  // namespace persistproc::base
