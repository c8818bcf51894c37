#include "common/rundir/state.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/base/file.hpp"
#include "common/rundir/state_slots.hpp"

namespace persistproc::rundir {

std::string other_version(Format format) {
    return std::string("written by ") + (format.major < format_major ? "an older" : "a newer") + " version (format " +
           std::to_string(format.major) + "." + std::to_string(format.minor) + "); left untouched";
}

Result<void> create_state(const std::filesystem::path& path, const base::BootId& boot) {
    auto file = base::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!file) return file.error();
    // Real zeros, not an unwritten extent: a later write of a slot then needs no change of the file system's journal.
    // Zeros alone say nothing: they are what a power cut leaves of a file that was written.
    std::string image(state_file_bytes, '\0');
    StateSlot slot;
    slot.state.boot_id = boot;
    struct stat facts {};
    if (::fstat(file->get(), &facts) == 0) {
        slot.state.file_device = facts.st_dev;
        slot.state.file_inode = facts.st_ino;
    }
    slot.crc = slot_checksum(slot.size, &slot.state);
    std::memcpy(image.data(), &slot, sizeof slot);
    if (const int err = base::write_all(file->get(), image)) return base::os_failure("write " + path.string(), err);
    return {};
}

Result<RunState> read_state(const std::filesystem::path& path, Format* other) {
    auto bytes = base::read_own_file(path, state_file_bytes);
    if (!bytes) {
        if (bytes.error().code != ErrorCode::invalid) return bytes.error();
        return Error{ErrorCode::corrupt, path.string() + " is larger than a state file"};
    }
    auto state = decode_state(bytes->data(), bytes->size(), other);
    if (!state) return base::with_context(state.error(), path.string());
    struct stat facts {};
    const bool is_known = state->file_inode != 0 && ::lstat(path.c_str(), &facts) == 0;
    const bool is_same = is_known && facts.st_dev == state->file_device && facts.st_ino == state->file_inode;
    if (is_known && !is_same && state->boot_id == base::current_boot_id()) state->boot_id = copied;
    return state;
}

Result<RunState> decode_state(const void* bytes, std::size_t size, Format* other) {
    RunState state;
    switch (find_newest_state(bytes, size, state)) {
        case 0: return state;
        case EPROTONOSUPPORT: {
            const Format format{state.major, state.minor};
            if (other != nullptr) *other = format;
            return Error{ErrorCode::unsupported, other_version(format)};
        }
        default: return Error{ErrorCode::corrupt, "no whole state record in " + std::to_string(size) + " bytes"};
    }
}

}  // namespace persistproc::rundir
