#include "daemon/access/peer_owner.hpp"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace persistproc::daemon::access {

namespace {

using boost::asio::ip::tcp;

struct Owner {
    std::uint32_t inode = 0;
    uid_t uid = 0;
    std::uint8_t closed = 0;  // directions: SEND_SHUTDOWN | RCV_SHUTDOWN, as the kernel has them
};

constexpr std::uint8_t both_directions = 3;

std::uint8_t closed_directions(const char* message, std::size_t size) {
    auto left = static_cast<int>(size - NLMSG_LENGTH(sizeof(inet_diag_msg)));
    const auto* each = reinterpret_cast<const rtattr*>(message + NLMSG_LENGTH(sizeof(inet_diag_msg)));
    for (; RTA_OK(each, left); each = RTA_NEXT(each, left))
        if (each->rta_type == INET_DIAG_SHUTDOWN) return *static_cast<const std::uint8_t*>(RTA_DATA(each));
    return 0;
}

void copy_address(const tcp::endpoint& endpoint, std::uint32_t (&out)[4]) {
    std::memset(out, 0, sizeof(out));
    if (endpoint.address().is_v4()) {
        const auto bytes = endpoint.address().to_v4().to_bytes();
        std::memcpy(out, bytes.data(), bytes.size());
    } else {
        const auto bytes = endpoint.address().to_v6().to_bytes();
        std::memcpy(out, bytes.data(), bytes.size());
    }
}

struct Question {
    nlmsghdr header;
    inet_diag_req_v2 request;
};

/// Asks for exactly one socket. No value: the kernel cannot be asked; an owner without inode: no such socket.
std::optional<Owner> diagnose(int fd, const tcp::endpoint& peer, const tcp::endpoint& local) {
    static std::uint32_t sequence = 0;
    Question question{};
    question.header.nlmsg_len = sizeof(question);
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.header.nlmsg_seq = ++sequence;
    question.request.sdiag_family = peer.address().is_v4() ? AF_INET : AF_INET6;
    question.request.sdiag_protocol = IPPROTO_TCP;
    question.request.idiag_states = ~0u;
    // The peer's own socket: its source is what we see as its address.
    question.request.id.idiag_sport = htons(peer.port());
    question.request.id.idiag_dport = htons(local.port());
    copy_address(peer, question.request.id.idiag_src);
    copy_address(local, question.request.id.idiag_dst);
    question.request.id.idiag_cookie[0] = question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (::send(fd, &question, sizeof(question), 0) != static_cast<ssize_t>(sizeof(question))) return std::nullopt;
    alignas(nlmsghdr) std::array<char, 4096> bytes;
    for (;;) {
        ssize_t got = 0;
        do got = ::recv(fd, bytes.data(), bytes.size(), 0);
        while (got < 0 && errno == EINTR);
        if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return std::nullopt;
        nlmsghdr header;
        std::memcpy(&header, bytes.data(), sizeof(header));
        if (header.nlmsg_seq != sequence) continue;  // the answer to a question that was given up
        const auto payload = static_cast<std::size_t>(got) - NLMSG_HDRLEN;
        if (header.nlmsg_type == NLMSG_ERROR) {
            nlmsgerr failed{};
            if (payload < sizeof(failed.error)) return std::nullopt;
            std::memcpy(&failed.error, bytes.data() + NLMSG_HDRLEN, sizeof(failed.error));
            if (failed.error == -ENOENT) return Owner{};
            return std::nullopt;
        }
        inet_diag_msg found{};
        if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || payload < sizeof(found)) return std::nullopt;
        std::memcpy(&found, bytes.data() + NLMSG_HDRLEN, sizeof(found));
        // Without such a connection the kernel answers with whoever listens on the peer's port.
        const bool is_asked = found.id.idiag_sport == question.request.id.idiag_sport &&
                              found.id.idiag_dport == question.request.id.idiag_dport;
        if (!is_asked || found.idiag_state == TCP_LISTEN) return Owner{};
        return Owner{found.idiag_inode, found.idiag_uid,
                     closed_directions(bytes.data(), static_cast<std::size_t>(got))};
    }
}

/// "0100007F:1F90": each 32-bit word of the address as the kernel holds it, then the port, in hexadecimal.
std::string table_endpoint(const tcp::endpoint& endpoint) {
    std::uint32_t words[4];
    copy_address(endpoint, words);
    std::string out;
    char text[16];
    for (int i = 0; i < (endpoint.address().is_v4() ? 1 : 4); ++i) {
        std::snprintf(text, sizeof(text), "%08X", words[i]);
        out += text;
    }
    std::snprintf(text, sizeof(text), ":%04X", static_cast<unsigned>(endpoint.port()));
    return out + text;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> out;
    while (!line.empty()) {
        const auto begin = line.find_first_not_of(' ');
        if (begin == std::string_view::npos) break;
        line.remove_prefix(begin);
        const auto end = std::min(line.find(' '), line.size());
        out.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
    return out;
}

template <class T>
std::optional<T> find_number(std::string_view text) {
    T out{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
}

}  // namespace

std::uint64_t find_in_table(std::string_view table, const tcp::endpoint& peer, const tcp::endpoint& local, uid_t uid) {
    constexpr std::size_t local_column = 1, remote_column = 2, uid_column = 7, inode_column = 9;
    const std::string from = table_endpoint(peer);
    const std::string to = table_endpoint(local);
    while (!table.empty()) {
        const auto end = std::min(table.find('\n'), table.size());
        const auto line = words_of(table.substr(0, end));
        table.remove_prefix(std::min(end + 1, table.size()));
        if (line.size() <= inode_column || line[local_column] != from || line[remote_column] != to) continue;
        if (find_number<uid_t>(line[uid_column]) != uid) return 0;
        return find_number<std::uint64_t>(line[inode_column]).value_or(0);
    }
    return 0;
}

PeerOwner::PeerOwner(std::filesystem::path tables, bool may_diagnose) : tables_(std::move(tables)) {
    if (may_diagnose) diagnosis_.reset(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    // The kernel answers within the send itself; a bound keeps a kernel that does not from stopping the loop.
    const timeval bound{.tv_sec = 0, .tv_usec = 100000};
    if (diagnosis_) ::setsockopt(diagnosis_.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    can_tell_ = try_to_ask();
}

std::uint64_t PeerOwner::find_socket(const tcp::endpoint& peer, const tcp::endpoint& local, uid_t uid) {
    if (diagnosis_) {
        // Without an inode the socket is an orphan, and its uid reads as 0 whoever it was.
        if (const auto owner = diagnose(diagnosis_.get(), peer, local)) return owner->uid == uid ? owner->inode : 0;
    }
    return find_in_table(read_table(peer.address().is_v4() ? AF_INET : AF_INET6), peer, local, uid);
}

bool PeerOwner::has_left(const tcp::endpoint& peer, const tcp::endpoint& local) {
    const auto owner = diagnosis_ ? diagnose(diagnosis_.get(), peer, local) : std::nullopt;
    // The end of input may come before the socket has lost its inode.
    return owner && (owner->inode == 0 || owner->closed == both_directions);
}

bool PeerOwner::try_to_ask() const {
    // Whatever is asked for, there is no such connection; that the kernel says so is what counts.
    const tcp::endpoint nowhere(boost::asio::ip::address_v4::loopback(), 1);
    if (diagnosis_ && diagnose(diagnosis_.get(), nowhere, nowhere)) return true;
    return read_table(AF_INET).find("local_address") != std::string::npos;
}

std::string PeerOwner::read_table(int family) const {
    std::string out;
    base::UniqueFd fd(::open((tables_ / (family == AF_INET ? "tcp" : "tcp6")).c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 32768> bytes;
    for (ssize_t got = 0; fd && (got = ::read(fd.get(), bytes.data(), bytes.size())) > 0;)
        out.append(bytes.data(), static_cast<std::size_t>(got));
    return out;
}

}  // namespace persistproc::daemon::access
