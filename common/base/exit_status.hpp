#pragma once

namespace persistproc::base {

/// Of a daemon, and of the command that was to start one: another one has the data directory (sysexits(3),
/// EX_TEMPFAIL).
inline constexpr int directory_held_status = 75;

}  // namespace persistproc::base
