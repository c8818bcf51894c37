#pragma once
/// Where a daemon and its clients meet. Both use these functions, so they agree without asking each other.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace rundir {

inline constexpr std::uint16_t default_port = 8947;

/// The file in its data directory that a daemon has locked while it lives.
inline constexpr std::string_view daemon_lock_name = "daemon.lock";
inline constexpr std::string_view database_name = "persistproc.db";

/// PERSISTPROC_DATA_DIR, else `$XDG_STATE_HOME/persistproc`, else `$HOME/.local/state/persistproc`. Always absolute.
/// Looks at the environment alone (no user database). Errors: invalid (none of them is set, or not absolute where
/// it must be).
Result<std::filesystem::path> find_data_directory();

/// `given` (of --data-dir) made absolute; empty: find_data_directory(). The directory need not exist.
Result<std::filesystem::path> resolve_data_directory(std::string_view given);

/// A TCP port as users write it; 0 lets the daemon take any free one. Pure. Errors: invalid, naming `source` (the flag
/// or variable it came from).
Result<std::uint16_t> parse_port(std::string_view text, std::string_view source);

/// PERSISTPROC_PORT, else 8947. Errors: invalid.
Result<std::uint16_t> find_port();

/// PERSISTPROC_COMPAT: whether a daemon also offers the tools of the Python original. Errors: invalid.
Result<bool> find_compat();

/// PERSISTPROC_AUTOSTART: whether a client starts the daemon when none answers, which it does unless told otherwise.
/// Errors: invalid.
Result<bool> find_autostart();

/// Whether the directory of a daemon that runs is still there, and what of it never goes away. Blocks. Errors: io, as
/// `removed_error`.
Result<void> check_present(const std::filesystem::path& data, std::string_view part = {});
/// Whether a client could use what is there, if anything is. Blocks. Errors: denied (it is another user's, or one above
/// it or it itself may not be entered; or it is no directory).
Result<void> check_usable(const std::filesystem::path& data);
/// That somebody removed it under the daemon, and what to do.
Error removed_error(const std::filesystem::path& data);
std::string removed_text(const std::filesystem::path& data);
inline constexpr std::string_view removed_advice =
    "`persistproc shutdown` ends what still runs, then the next start begins anew";

/// That the daemon has 127.0.0.1 alone, because `holder` ("another program") has [::1].
std::string shared_port_text(std::uint16_t port, std::string_view holder);

/// The daemon's unix socket for a data directory: `$XDG_RUNTIME_DIR/persistproc/<16 hex digits of the canonical
/// directory>.sock` when XDG_RUNTIME_DIR is a directory of ours, else `fallback_socket_path`. The directory that
/// holds the socket may not exist yet; the daemon makes it (0700).
std::filesystem::path daemon_socket_path(const std::filesystem::path& data);

/// `<data>/run/daemon.sock`: where the socket is without XDG_RUNTIME_DIR. A daemon that has it leaves a symbolic
/// link to the real socket here, so that a client without the variable (cron, ssh) finds it too.
std::filesystem::path fallback_socket_path(const std::filesystem::path& data);

/// The name of a socket that has no file (unix(7), "abstract"), without its leading NUL: where a daemon whose socket
/// would go with its data directory is found when somebody removes that. Anybody can take the name: who connects asks
/// the kernel whose it is.
std::string abstract_socket_name(const std::filesystem::path& data);

/// Held by a client while it starts the daemon, so that several clients start one.
std::filesystem::path autostart_lock_path(const std::filesystem::path& data);

/// Standard error of a daemon that a client or `serve --detach` put in the background.
std::filesystem::path daemon_log_path(const std::filesystem::path& data);

/// What an agent over TCP must show to a daemon: whose it is, by the kernel's word, or the token besides.
enum class Auth { peer, token };

/// PERSISTPROC_AUTH, else `peer`. Errors: invalid.
Result<std::optional<Auth>> find_auth();
/// "peer" or "token". Pure. Errors: invalid, naming `source`.
Result<Auth> parse_auth(std::string_view text, std::string_view source);

/// Where the token is; made by the daemon that first needs it.
std::filesystem::path token_path(const std::filesystem::path& data);
/// Errors: not_found, denied (another's, a link, or open to others: says what to do), corrupt (no token), io.
Result<std::string> read_token(const std::filesystem::path& data);

}  // namespace rundir

namespace schema {
template <>
struct EnumNames<rundir::Auth> {
    using E = rundir::Auth;
    static constexpr std::pair<E, std::string_view> names[] = {{E::peer, "peer"}, {E::token, "token"}};
};
}  // namespace schema
}  // namespace persistproc
