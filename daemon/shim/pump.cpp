#include "daemon/shim/pump.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace persistproc::shim {
namespace {

using logstore::RecordFlags;
using logstore::Stream;

constexpr std::size_t usual_pipe_bytes = 64u << 10;
constexpr std::size_t hot_pipe_bytes = 256u << 10;
constexpr std::size_t buffer_bytes = Pump::in_flight_bytes;
constexpr std::uint64_t carry_ns = 100 * os::millisecond;
constexpr std::uint64_t first_pause_ns = 200'000;
constexpr std::uint64_t longest_pause_ns = 16 * first_pause_ns;
constexpr std::uint64_t cool_ns = 1000 * os::millisecond;
constexpr unsigned reads_in_a_row = 16;  // before commands and the other pipe get their turn
constexpr unsigned full_reads_to_grow = 8;

// Never touched, so never resident, beyond what the largest read needed.
alignas(4096) char buffers[Pump::max_sources][buffer_bytes];

}  // namespace

void Pump::begin(int out, int err) noexcept {
    const int fds[] = {out, err};
    const Stream streams[] = {Stream::out, Stream::err};
    for (std::size_t i = 0; i < max_sources; ++i) {
        sources_[i].fd = fds[i];
        sources_[i].stream = streams[i];
        sources_[i].buffer = buffers[i];
    }
    // The run before may have ended inside a line.
    line_open_ = log_.inside_line();
    open_line_ = Stream::none;
}

std::size_t Pump::add_entries(pollfd* entries) const noexcept {
    std::size_t count = 0;
    for (const auto& source : sources_)
        if (source.fd >= 0 && source.paused_until == 0) entries[count++] = {source.fd, POLLIN, 0};
    return count;
}

std::uint64_t Pump::deadline() const noexcept {
    std::uint64_t first = cool_at_;
    for (const auto& source : sources_) {
        if (source.carried > 0 && source.carried_since + carry_ns < first) first = source.carried_since + carry_ns;
        if (source.fd >= 0 && source.paused_until > 0 && source.paused_until < first) first = source.paused_until;
    }
    return first;
}

void Pump::serve(const pollfd* entries, std::size_t count, std::uint64_t now, bool in_a_hurry) noexcept {
    for (auto& source : sources_) {
        bool ready = in_a_hurry || (source.paused_until > 0 && source.paused_until <= now);
        for (std::size_t i = 0; i < count; ++i)
            ready = ready || (entries[i].fd == source.fd && entries[i].revents != 0);
        if (source.fd >= 0 && ready) read_source(source, now, in_a_hurry);
        if (source.carried > 0 && now >= source.carried_since + carry_ns) write_piece(source, source.carried);
    }
    if (now >= cool_at_) cool_down(now);
}

void Pump::read_source(Source& source, std::uint64_t now, bool in_a_hurry) noexcept {
    source.paused_until = 0;
    for (unsigned round = 0; round < reads_in_a_row; ++round) {
        const std::size_t room = buffer_bytes - source.carried;
        const ssize_t got = os::read(source.fd, source.buffer + source.carried, room);
        if (got == -EAGAIN) return;
        if (got <= 0) {
            if (source.carried > 0) write_piece(source, source.carried);
            ::close(source.fd);
            source.fd = -1;
            return;
        }
        const auto size = static_cast<std::size_t>(got);
        take(source, size, now);
        if (in_a_hurry) continue;
        if (size < source.pipe_bytes / 4) {
            choose_pause(source, size, now);
            return;
        }
        source.pause = first_pause_ns;
        source.last_read = now;
        note_large_read(source, size == room, now);
    }
}

void Pump::take(Source& source, std::size_t size, std::uint64_t now) noexcept {
    char* const fresh = source.buffer + source.carried;
    if (source.carried == 0) source.carried_since = now;
    source.carried += size;
    const auto* newline = static_cast<const char*>(::memrchr(fresh, '\n', size));
    if (newline != nullptr) {
        write_piece(source, static_cast<std::size_t>(newline + 1 - source.buffer));
        source.carried_since = now;
    }
    // A line longer than can be held.
    if (buffer_bytes - source.carried < buffer_bytes / 4) write_piece(source, source.carried);
}

void Pump::write_piece(Source& source, std::size_t size) noexcept {
    if (line_open_ && open_line_ != source.stream) log_.append(Stream::none, "\n", 1, RecordFlags::separator);
    const bool complete = source.buffer[size - 1] == '\n';
    unsigned flags = complete ? unsigned{RecordFlags::line_complete} : 0u;
    if (source.inside_line) flags |= RecordFlags::line_continues;
    log_.append(source.stream, source.buffer, size, static_cast<std::uint8_t>(flags));
    source.inside_line = line_open_ = !complete;
    open_line_ = source.stream;
    source.carried -= size;
    if (source.carried > 0) std::memmove(source.buffer, source.buffer + size, source.carried);
}

// The more often little is found, the longer the next pause, as long as what comes meanwhile fits the pipe with ease.
void Pump::choose_pause(Source& source, std::size_t size, std::uint64_t now) noexcept {
    const bool chatty = source.last_read != 0 && now - source.last_read < 2 * source.pause + first_pause_ns;
    if (!chatty || size >= usual_pipe_bytes / 8)
        source.pause = first_pause_ns;
    else if (size < usual_pipe_bytes / 32 && source.pause < longest_pause_ns)
        source.pause *= 2;
    source.last_read = now;
    source.paused_until = now + source.pause;
}

void Pump::note_large_read(Source& source, bool full, std::uint64_t now) noexcept {
    source.touched = true;
    if (full || cool_at_ == os::never) cool_at_ = now + cool_ns;
    if (!full) return;
    if (source.pipe_bytes >= hot_pipe_bytes || ++source.full_reads < full_reads_to_grow) return;
    source.full_reads = 0;
    const int set = os::set_pipe_bytes(source.fd, static_cast<int>(hot_pipe_bytes));
    if (set > 0) source.pipe_bytes = static_cast<std::size_t>(set);
}

// No pipe was found full for a while: others of this user need the quota, and the pages of the buffers are not ours to
// keep.
void Pump::cool_down(std::uint64_t now) noexcept {
    cool_at_ = os::never;
    for (auto& source : sources_) {
        source.full_reads = 0;
        if (source.fd >= 0 && source.pipe_bytes > usual_pipe_bytes) {
            const int set = os::set_pipe_bytes(source.fd, static_cast<int>(usual_pipe_bytes));
            if (set > 0)
                source.pipe_bytes = static_cast<std::size_t>(set);
            else
                cool_at_ = now + cool_ns;  // too much in it just now
        }
        if (source.touched && source.carried == 0) {
            ::madvise(source.buffer, buffer_bytes, MADV_DONTNEED);
            source.touched = false;
        }
    }
    log_.cool_down();
}

void Pump::flush() noexcept {
    for (auto& source : sources_)
        if (source.carried > 0) write_piece(source, source.carried);
}

void Pump::close() noexcept {
    flush();
    for (auto& source : sources_) {
        if (source.fd >= 0) ::close(source.fd);
        source.fd = -1;
    }
}

}  // namespace persistproc::shim
