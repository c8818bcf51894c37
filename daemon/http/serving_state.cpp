#include "daemon/http/serving_state.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::daemon::http {

Result<void> notify_service_manager(std::string_view state) {
    const char* const name = std::getenv("NOTIFY_SOCKET");
    if (name == nullptr || *name == '\0') return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(name);
    if (length >= sizeof(address.sun_path)) return base::os_failure("NOTIFY_SOCKET", ENAMETOOLONG);
    std::memcpy(address.sun_path, name, length);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return base::os_failure("socket", errno);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    if (::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                 size) < 0)
        return base::os_failure(std::string("NOTIFY_SOCKET ") + name, errno);
    return {};
}

Result<void> announce_ready(int fd, std::string_view line) {
    if (fd < 0) return {};
    // The number of a standard stream must not become that of another file.
    base::UniqueFd owned(fd > STDERR_FILENO ? fd : -1);
    if (const int err = base::write_all(fd, std::string(line) + "\n"); err != 0)
        return base::os_failure("--ready-fd", err);
    return {};
}

void announce_failure(int fd, std::string_view why) {
    if (fd >= 0) base::write_all(fd, "ERROR=" + base::escape_line(why));
}

}  // namespace persistproc::daemon::http
