#pragma once
/// Layout of the file `state`, shared by its reader and the shim's writer. No heap, no exceptions.
#include <cstddef>
#include <cstdint>

#include "common/rundir/state.hpp"

namespace persistproc::rundir {

inline constexpr std::size_t slot_bytes = 2048;
inline constexpr std::size_t state_file_bytes = 2 * slot_bytes;

/// What stands at the beginning of a slot. A later minor version may append to RunState; `size` says how much is there.
struct StateSlot {
    char magic[8] = {'p', 'p', 's', 't', 'a', 't', 'e', '\n'};
    std::uint32_t size = sizeof(RunState);
    std::uint32_t crc = 0;  // CRC-32C of `size` (4 bytes) and of the payload
    RunState state{};
};
static_assert(sizeof(StateSlot) == 16 + sizeof(RunState) && sizeof(StateSlot) + StateTail::most_bytes <= slot_bytes);

/// The checksum a slot must carry; `payload` is what follows its first 16 bytes.
std::uint32_t slot_checksum(std::uint32_t size, const void* payload) noexcept;

/// Chooses between the slots of an image of the file. Returns 0 (`out` is the newest valid state, of phase `none` as
/// long as no shim has written one), EBADMSG (none is whole, or nothing but zeros is there) or EPROTONOSUPPORT (unknown
/// major). `tail`, where
/// given, is what that slot holds beyond `out`.
int find_newest_state(const void* bytes, std::size_t size, RunState& out, StateTail* tail = nullptr) noexcept;

}  // namespace persistproc::rundir
