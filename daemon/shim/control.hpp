#pragma once
/// The keeper's side of its conversation with daemons (the contract: common/rundir/control.hpp and frame.hpp): the
/// start channel and the socket `ctl`. This part moves packets and knows who may speak; what a message does is the
/// keeper's.
#include <poll.h>

#include <cstddef>
#include <cstdint>

#include "common/rundir/frame.hpp"
#include "daemon/shim/output_buffers.hpp"

namespace persistproc::shim {

/// Descriptors that travel with a message, by rundir::DescriptorKind; -1: none.
struct Handed {
    int sources[OutputBuffers::sources];
    int child = -1, report = -1, buffers = -1, notify = -1, input = -1;

    Handed() noexcept;
    /// Where one of that name belongs; nullptr: it is unknown here.
    int* find(rundir::DescriptorName name) noexcept;
    void close() noexcept;
};

class Control {
public:
    static constexpr std::size_t max_connections = 8;
    static constexpr std::size_t max_entries = max_connections + 1;

    enum class Received { nothing, message, closed };
    struct Connection {
        int fd = -1;
        std::uint64_t serial = 0;        // names the connection; never used twice
        bool greeted = false;            // said `hello` or `commit`, so it gets every change of state
        bool start = false;              // is the start channel
        std::uint64_t capabilities = 0;  // that its greeting named
    };

    /// Makes the socket `ctl` in the run directory, replacing one that a dead keeper left. Returns 0 or errno.
    int listen(int run_directory) noexcept;
    void stop_listening(int run_directory) noexcept;

    /// Takes the start channel as a connection.
    void adopt_start_channel(int fd) noexcept;
    /// Accepts one peer, if it runs under our user; the oldest connection makes room for it.
    void accept() noexcept;

    std::size_t add_entries(pollfd* entries) const noexcept;
    int listener() const noexcept { return listener_; }
    /// The connection on that descriptor, or nullptr.
    Connection* find(int fd) noexcept;

    /// One packet. What this version does not know is refused or, in the case of descriptors, closed. `closed`: the
    /// peer is gone or does not speak our language, and the connection is closed. Descriptors that came with a message
    /// are the caller's.
    Received receive(Connection& connection, rundir::ControlMessage& out, Handed& handed) noexcept;
    /// A peer that does not read is dropped rather than waited for.
    void send(Connection& connection, const rundir::ControlMessage& message) noexcept;
    /// With duplicates of the descriptors.
    void send(Connection& connection, const rundir::ControlMessage& message, const Handed& handed) noexcept;
    /// Says no to a message: what it was, why, and an errno.
    void refuse(Connection& connection, const rundir::ControlMessage& what, rundir::Refusal why, int error) noexcept;
    /// To the connection of that serial, if it still exists.
    void send_to(std::uint64_t serial, const rundir::ControlMessage& message) noexcept;
    /// To all that have greeted.
    void push(const rundir::ControlMessage& message) noexcept;
    void close(Connection& connection) noexcept;
    void close_all() noexcept;
    /// Whether anybody is connected who has greeted.
    bool has_daemon() const noexcept;
    /// Whether one of them has not read all it was sent.
    bool has_unread() const noexcept;

private:
    Connection& free_place() noexcept;
    int listener_ = -1;
    std::uint64_t next_serial_ = 1;
    Connection connections_[max_connections];
};

}  // namespace persistproc::shim
