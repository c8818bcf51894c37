#include "common/rundir/state_slots.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/checksum.hpp"

namespace persistproc::rundir {
namespace {

enum class SlotContent { blank, whole, broken };

SlotContent read_slot(const char* at, std::size_t room, RunState& out, std::uint32_t& slot_size) noexcept {
    if (std::all_of(at, at + room, [](char byte) { return byte == 0; }))
        return room == slot_bytes ? SlotContent::blank : SlotContent::broken;
    constexpr std::size_t payload = offsetof(StateSlot, state);
    if (room < payload) return SlotContent::broken;
    const StateSlot expected;
    std::uint32_t crc = 0;
    std::memcpy(&slot_size, at + offsetof(StateSlot, size), sizeof slot_size);
    std::memcpy(&crc, at + offsetof(StateSlot, crc), sizeof crc);
    if (std::memcmp(at, expected.magic, sizeof expected.magic) != 0) return SlotContent::broken;
    if (slot_size < 2 * sizeof(std::uint16_t) || slot_size > room - payload) return SlotContent::broken;
    if (slot_checksum(slot_size, at + payload) != crc) return SlotContent::broken;
    std::memcpy(static_cast<void*>(&out), at + payload, std::min<std::size_t>(slot_size, sizeof out));
    return SlotContent::whole;
}

}  // namespace

std::uint32_t slot_checksum(std::uint32_t size, const void* payload) noexcept {
    char covered[slot_bytes];
    const std::size_t used = std::min<std::size_t>(size, slot_bytes - sizeof size);
    std::memcpy(covered, &size, sizeof size);
    std::memcpy(covered + sizeof size, payload, used);
    return base::crc32c(covered, sizeof size + used);
}

int find_newest_state(const void* bytes, std::size_t size, RunState& out, StateTail* tail) noexcept {
    const auto* image = static_cast<const char*>(bytes);
    bool found = false, broken = size < state_file_bytes;
    for (std::size_t begin = 0; begin < state_file_bytes; begin += slot_bytes) {
        if (size <= begin) break;
        RunState state;
        std::uint32_t slot_size = 0;
        const SlotContent content = read_slot(image + begin, std::min(slot_bytes, size - begin), state, slot_size);
        broken = broken || content == SlotContent::broken;
        if (content != SlotContent::whole || (found && state.generation <= out.generation)) continue;
        out = state;
        found = true;
        if (tail == nullptr) continue;
        tail->size = slot_size > sizeof state ? slot_size - static_cast<std::uint32_t>(sizeof state) : 0;
        tail->size = std::min(tail->size, static_cast<std::uint32_t>(StateTail::most_bytes));
        std::memcpy(tail->bytes, image + begin + sizeof(StateSlot), tail->size);
    }
    // What was written over the first slot may have been anything.
    if (!found || (broken && out.phase == Phase::none)) {
        out = RunState{};
        return EBADMSG;
    }
    return out.major == format_major ? 0 : EPROTONOSUPPORT;
}

int StateWriter::write() noexcept {
    ++state_.generation;
    StateSlot slot;
    slot.state = state_;
    slot.size += tail_.size;
    char image[sizeof slot + StateTail::most_bytes];
    const std::size_t size = sizeof slot + tail_.size;
    std::memcpy(image, &slot, sizeof slot);
    std::memcpy(image + sizeof slot, tail_.bytes, tail_.size);
    slot.crc = slot_checksum(slot.size, image + offsetof(StateSlot, state));
    std::memcpy(image + offsetof(StateSlot, crc), &slot.crc, sizeof slot.crc);
    const auto offset = static_cast<off_t>((state_.generation % 2) * slot_bytes);
    for (std::size_t done = 0; done < size;) {
        const ssize_t wrote = ::pwrite(fd_, image + done, size - done, offset + static_cast<off_t>(done));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote < 0 ? errno : EIO;
        done += static_cast<std::size_t>(wrote);
    }
    return 0;
}

int StateWriter::commit() noexcept {
    if (const int err = write()) return err;
    return ::fdatasync(fd_) == 0 ? 0 : errno;
}

}  // namespace persistproc::rundir
