#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace persistproc::base {

/// The address of a unix socket without a file (unix(7), "abstract"), and its size. `name`: without its leading NUL; of
/// more than 100 bytes the rest is left out.
inline std::pair<sockaddr_un, socklen_t> abstract_address(std::string_view name) noexcept {
    constexpr std::size_t longest_name = 100;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::min(name.size(), longest_name);
    std::copy_n(name.data(), size, address.sun_path + 1);
    return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size)};
}

}  // namespace persistproc::base
