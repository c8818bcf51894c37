#pragma once
/// Who is at the other end of a loopback TCP connection, asked of the kernel.
#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/unique_fd.hpp"

namespace persistproc::daemon::access {

class PeerOwner {
public:
    /// Keeps one socket to the kernel's socket diagnosis (NETLINK_SOCK_DIAG); where there is none, the kernel's TCP
    /// tables are read instead, `tcp` and `tcp6` in the directory `tables` (proc(5)).
    explicit PeerOwner(std::filesystem::path tables = "/proc/net", bool may_diagnose = true);

    /// Whether the kernel could be asked at all when this began. In some containers neither way is there.
    bool can_tell() const noexcept { return can_tell_; }

    /// The inode of the socket connected from `peer` to `local`, if it belongs to user `uid` now. A peer that has
    /// already closed its end has no owner any more: 0. Any error: 0. Blocks for microseconds (milliseconds with the
    /// table).
    std::uint64_t find_socket(const boost::asio::ip::tcp::endpoint& peer, const boost::asio::ip::tcp::endpoint& local,
                              uid_t uid);
    /// Whether a peer whose end of input has come has closed its socket, and not just one direction of it. Any error:
    /// no. Blocks as `is_owned_by` does.
    bool has_left(const boost::asio::ip::tcp::endpoint& peer, const boost::asio::ip::tcp::endpoint& local);

private:
    bool try_to_ask() const;
    std::string read_table(int family) const;

    std::filesystem::path tables_;
    base::UniqueFd diagnosis_;
    bool can_tell_ = false;
};

/// Pure part of the fallback: looks the connection `peer` → `local` up in the text of a kernel TCP table
/// (proc(5), net/tcp or net/tcp6). The inode of the peer's socket; 0 when it is not there, orphaned, or another user's.
std::uint64_t find_in_table(std::string_view table, const boost::asio::ip::tcp::endpoint& peer,
                            const boost::asio::ip::tcp::endpoint& local, uid_t uid);

}  // namespace persistproc::daemon::access
