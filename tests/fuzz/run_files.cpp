/// The files of a run directory. Input: a letter that says which, then its bytes: "s" and "p" are `state` and `spec` as
/// they are, "S" and "P" get right checksums, so that what lies behind them is reached.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/base/checksum.hpp"
#include "common/rundir/spec.hpp"
#include "common/rundir/spec_scanner.hpp"
#include "common/rundir/state_slots.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;
using rundir::RunState;

/// A whole slot around `payload`.
std::string slot(std::string_view payload) {
    const rundir::StateSlot frame;
    payload = payload.substr(0, rundir::slot_bytes - offsetof(rundir::StateSlot, state));
    const auto size = static_cast<std::uint32_t>(payload.size());
    const std::uint32_t crc = rundir::slot_checksum(size, payload.data());
    std::string out(frame.magic, sizeof frame.magic);
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
    out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
    out += payload;
    out.resize(rundir::slot_bytes);
    return out;
}

bool is_same(const RunState& a, const RunState& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void check_state(const std::string& image) {
    RunState state;
    rundir::StateTail tail;
    const int found = rundir::find_newest_state(image.data(), image.size(), state, &tail);
    require(found == 0 || found == EBADMSG || found == EPROTONOSUPPORT, "a verdict is one of three");
    require(tail.size <= rundir::StateTail::most_bytes, "what a later version appends is bounded");
    const auto decoded = rundir::decode_state(image.data(), image.size());
    require(decoded.has_value() == (found == 0), "both readers come to the same verdict");
    if (!decoded) {
        require(decoded.error().code == (found == EBADMSG ? ErrorCode::corrupt : ErrorCode::unsupported),
                "an error says which");
        return;
    }
    require(is_same(*decoded, state), "both readers read the same");
    if (state.generation == UINT64_MAX) return;

    // The shim that takes over goes on where the other stopped.
    static const int file = ::memfd_create("state", MFD_CLOEXEC);
    std::string written(rundir::state_file_bytes, '\0');
    std::memcpy(written.data(), image.data(), std::min(image.size(), written.size()));
    require(::pwrite(file, written.data(), written.size(), 0) == static_cast<ssize_t>(written.size()), "room");
    rundir::StateWriter writer(file, state, tail);
    require(writer.write() == 0, "the next state is written");
    require(::pread(file, written.data(), written.size(), 0) == static_cast<ssize_t>(written.size()), "room");
    RunState next;
    rundir::StateTail next_tail;
    require(rundir::find_newest_state(written.data(), written.size(), next, &next_tail) == 0, "the next state is read");
    require(next.generation == state.generation + 1, "the next state is the newest");
    next.generation = state.generation;
    require(is_same(next, state), "the next state is read as it was");
    require(next_tail.size == tail.size && std::memcmp(next_tail.bytes, tail.bytes, tail.size) == 0,
            "what a later version has appended stays");
}

void check_spec(std::string_view bytes) {
    const auto spec = rundir::decode_spec(bytes);
    if (!spec) {
        require(spec.error().code == ErrorCode::corrupt || spec.error().code == ErrorCode::unsupported,
                "an error says which");
        return;
    }
    require(!spec->argv.empty() && !spec->working_directory.empty(), "a program and its directory are named");
    require(spec->umask <= 0777 && spec->stop_signal >= 1 && spec->stop_signal <= 64, "numbers are in their bounds");
    const std::string written = rundir::encode_spec(*spec);
    const auto again = rundir::decode_spec(written);
    require(again && rundir::encode_spec(*again) == written, "what is written is read as it was");
    require(again->argv == spec->argv && again->environment == spec->environment &&
                again->working_directory == spec->working_directory &&
                again->definition.command == spec->definition.command,
            "what is read is written as it was");
    require(!rundir::decode_spec(std::string_view(written).substr(0, bytes.size() % written.size())),
            "a spec that was cut is damaged");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const char kind = static_cast<char>(input.byte());
    std::string text(input.rest());
    switch (kind) {
        case 's': check_state(text); break;
        case 'S': {
            const std::size_t half = std::min(text.size() / 2, sizeof(RunState) + rundir::StateTail::most_bytes);
            check_state(slot(std::string_view(text).substr(0, half)) + slot(std::string_view(text).substr(half)));
            break;
        }
        case 'P': {
            char end[16];
            std::snprintf(end, sizeof end, "end %08x\n", base::crc32c(text.data(), text.size()));
            text += end;
            check_spec(text);
            break;
        }
        default: check_spec(text);
    }
    return 0;
}
