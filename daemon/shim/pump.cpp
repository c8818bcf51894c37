#include "daemon/shim/pump.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "daemon/shim/terminal.hpp"

namespace persistproc::shim {
namespace {

using logstore::RecordFlags;
using logstore::Stream;

constexpr std::size_t usual_pipe_bytes = 64u << 10;
constexpr std::size_t hot_pipe_bytes = 256u << 10;
constexpr std::uint64_t carry_ns = 100 * os::millisecond;
constexpr std::uint64_t first_pause_ns = 200'000;
constexpr std::uint64_t longest_pause_ns = 16 * first_pause_ns;
constexpr std::uint64_t terminal_carry_ns = 20 * os::millisecond;
constexpr std::uint64_t longest_terminal_pause_ns = 4 * first_pause_ns;
constexpr std::size_t most_terminal_bytes = 64u << 10;  // of one piece
constexpr std::size_t small_terminal_read = 512;
constexpr std::uint64_t cool_ns = 1000 * os::millisecond;
/// Who prints at least that often, for so many reads, prints steadily.
constexpr std::uint64_t steady_gap_ns = 50 * os::millisecond;
constexpr unsigned steady_reads = 16;
constexpr unsigned most_reads_at_once = 8;  // before commands and the other pipe get their turn
constexpr unsigned full_reads_to_grow = 8;
constexpr std::size_t everything = SIZE_MAX;

/// What a source of that number is in the log.
constexpr Stream streams[] = {Stream::out, Stream::err};
static_assert(std::size(streams) == Pump::max_sources);

}  // namespace

void Pump::begin(const Pipes& pipes) noexcept {
    buffers_.create();
    connect(pipes);
}

Stream Pump::inherit(int buffers) noexcept {
    if (buffers < 0) return Stream::none;
    if (buffers_.attach(buffers) != 0) {
        ::close(buffers);
        return Stream::none;
    }
    for (std::size_t i = 0; i < max_sources; ++i)
        if (buffers_.marks(i).writing.load(std::memory_order_relaxed) > 0) return streams[i];
    return Stream::none;
}

std::size_t Pump::resume(const Pipes& pipes, std::uint64_t now) noexcept {
    std::size_t missing = 0;
    if (buffers_.is_shared()) {
        for (std::size_t i = 0; i < max_sources; ++i) missing += buffers_.settle(i, log_.position());
    } else {
        buffers_.create();
        for (const int end : pipes.ends)
            if (end >= 0) missing += OutputBuffers::unshared_bytes;
    }
    connect(pipes);
    for (auto& source : sources_) {
        const auto& marks = buffers_.marks(source.number);
        const std::uint64_t span = marks.span.load(std::memory_order_relaxed);
        source.begin = static_cast<std::uint32_t>(span);
        source.end = static_cast<std::uint32_t>(span >> 32);
        source.inside_line = marks.inside_line.load(std::memory_order_relaxed) != 0;
        source.carried_since = now;
        source.touched = true;
        // Whole lines may be among it.
        if (source.carried() > 0) take(source, 0, now);
    }
    return missing;
}

void Pump::connect(const Pipes& pipes) noexcept {
    for (std::size_t i = 0; i < max_sources; ++i) {
        sources_[i].fd = pipes.ends[i];
        sources_[i].number = i;
        sources_[i].stream = streams[i];
        sources_[i].is_terminal = Terminal::is_master(pipes.ends[i]);
        sources_[i].buffer = buffers_.data(i);
    }
    // The run before may have ended inside a line.
    line_open_ = log_.inside_line();
    open_line_ = Stream::none;
}

/// Makes it known, by one store, what the buffer holds.
void Pump::hold(Source& source, std::size_t begin, std::size_t end) noexcept {
    source.begin = begin;
    source.end = end;
    buffers_.marks(source.number).span.store(OutputBuffers::pack(begin, end), std::memory_order_release);
}

std::uint64_t Pump::Source::carried_until() const noexcept {
    return carried_since + (is_terminal ? terminal_carry_ns : carry_ns);
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
        if (source.carried() > 0) first = std::min(first, source.carried_until());
        if (source.fd >= 0 && source.paused_until > 0 && source.paused_until < first) first = source.paused_until;
    }
    return first;
}

bool Pump::is_due(const Source& source, const pollfd* entries, std::size_t count, std::uint64_t now) noexcept {
    if (source.fd < 0) return false;
    if (source.paused_until > 0) return source.paused_until <= now;
    return std::any_of(entries, entries + count,
                       [&](const pollfd& each) { return each.fd == source.fd && each.revents != 0; });
}

void Pump::serve(const pollfd* entries, std::size_t count, std::uint64_t now, bool in_a_hurry) noexcept {
    Source& out = sources_[0];
    Source& err = sources_[1];
    const bool out_is_due = is_due(out, entries, count, now);
    const bool err_is_due = is_due(err, entries, count, now);
    if (in_a_hurry) {
        for (auto& source : sources_)
            if (source.fd >= 0) read_source(source, now, in_a_hurry, everything);
    } else {
        // How much of the errors is there is noted first: what the program printed before them is in the other pipe by
        // then, and is read before them. What it printed after them may come with it. So neither waits for the end of
        // its own pause when the other's is over.
        const bool may_hold = err_is_due || (out_is_due && err.fd >= 0 && err.paused_until > 0);
        const ssize_t errors = may_hold ? os::available(err.fd) : 0;
        if (out_is_due || (errors > 0 && out.fd >= 0)) read_source(out, now, in_a_hurry, everything);
        if (errors != 0) {
            read_source(err, now, in_a_hurry, errors > 0 ? static_cast<std::size_t>(errors) : everything);
        } else if (err_is_due) {
            err.paused_until = 0;
            err.pause_pays = false;
        }
    }
    for (auto& source : sources_)
        if (source.carried() > 0 && now >= source.carried_until()) write_piece(source, source.carried());
    if (now >= cool_at_) cool_down(now);
}

void Pump::read_source(Source& source, std::uint64_t now, bool in_a_hurry, std::size_t most) noexcept {
    const bool pause_is_over = source.paused_until > 0 && source.paused_until <= now;
    source.paused_until = 0;
    if (source.is_terminal) return read_terminal(source, now, in_a_hurry);
    for (unsigned round = 0; round < most_reads_at_once && most > 0; ++round) {
        const std::size_t room = buffers_.capacity(source.number) - source.end;
        const ssize_t got = read_once(source, now, most);
        if (got == 0 && pause_is_over && round == 0) source.pause_pays = false;
        if (got <= 0) return;
        const auto size = static_cast<std::size_t>(got);
        most -= std::min(most, size);
        take(source, size, now);
        if (in_a_hurry) continue;
        if (size < source.pipe_bytes / 4) {
            choose_pause(source, size, now);
            return;
        }
        source.pause = first_pause_ns;
        source.last_read = now;
        note_large_read(source, size + 4096 >= source.pipe_bytes || size == room, now);
    }
}

void Pump::read_terminal(Source& source, std::uint64_t now, bool in_a_hurry) noexcept {
    std::size_t size = 0;
    for (ssize_t got; size < most_terminal_bytes && (got = read_once(source, now, most_terminal_bytes - size)) > 0;)
        size += static_cast<std::size_t>(got);
    if (size == 0) source.pause_pays = false;
    if (size == 0 || source.fd < 0) return;
    take(source, size, now);
    if (in_a_hurry) return;
    if (size < small_terminal_read) return choose_pause(source, size, now);
    source.pause = first_pause_ns;
    source.last_read = now;
    note_large_read(source, false, now);
}

ssize_t Pump::read_once(Source& source, std::uint64_t now, std::size_t most) noexcept {
    const std::size_t room = buffers_.capacity(source.number) - source.end;
    const ssize_t there = os::available(source.fd);
    if (there == 0 || room == 0) return 0;
    // What is there can be read at once: nobody else reads it.
    const std::size_t wanted = there < 0 ? room : std::min({static_cast<std::size_t>(there), room, most});
    if (there > 0)
        buffers_.begin_read(source.number, static_cast<std::uint32_t>(source.end), static_cast<std::uint32_t>(wanted));
    const ssize_t got = os::read(source.fd, source.buffer + source.end, wanted);
    if (got > 0 && source.carried() == 0) source.carried_since = now;
    if (got > 0) hold(source, source.begin, source.end + static_cast<std::size_t>(got));
    buffers_.marks(source.number).reading.store(0, std::memory_order_release);
    if (got > 0) return got;
    if (got == -EAGAIN) return 0;
    // Of a terminal EIO: nobody has it open any more.
    if (source.carried() > 0) write_piece(source, source.carried());
    ::close(source.fd);
    source.fd = -1;
    return -1;
}

/// Writes the whole lines of what is held; `size`: how much of it has just come (0: look at all of it).
void Pump::take(Source& source, std::size_t size, std::uint64_t now) noexcept {
    const char* const fresh = source.buffer + (size == 0 ? source.begin : source.end - size);
    const auto* newline =
        static_cast<const char*>(::memrchr(fresh, '\n', static_cast<std::size_t>(source.buffer + source.end - fresh)));
    if (newline != nullptr) {
        write_piece(source, static_cast<std::size_t>(newline + 1 - (source.buffer + source.begin)));
        source.carried_since = now;
    }
    // A line longer than can be held.
    const std::size_t capacity = buffers_.capacity(source.number);
    if (source.carried() > 0 && capacity - source.end < capacity / 4) write_piece(source, source.carried());
}

void Pump::write_piece(Source& source, std::size_t size) noexcept {
    if (line_open_ && open_line_ != source.stream) log_.append(Stream::none, "\n", 1, RecordFlags::separator);
    auto& marks = buffers_.marks(source.number);
    const char* const piece = source.buffer + source.begin;
    const bool complete = piece[size - 1] == '\n';
    unsigned flags = complete ? unsigned{RecordFlags::line_complete} : 0u;
    if (source.inside_line) flags |= RecordFlags::line_continues;
    buffers_.begin_write(source.number, static_cast<std::uint32_t>(source.begin), static_cast<std::uint32_t>(size),
                         log_.position());
    log_.append(source.stream, piece, size, static_cast<std::uint8_t>(flags));
    source.inside_line = line_open_ = !complete;
    open_line_ = source.stream;
    marks.inside_line.store(complete ? 0 : 1, std::memory_order_release);
    hold(source, source.begin + size, source.end);
    marks.writing.store(0, std::memory_order_release);
    // To the front, unless it would be moved over itself, which a death could cut in two.
    const std::size_t left = source.carried();
    if (left > source.begin) return;
    std::memcpy(source.buffer, source.buffer + source.begin, left);
    hold(source, 0, left);
}

// The more often little is found, the longer the next pause, as long as what comes meanwhile fits the pipe with ease.
// Behind a burst nothing comes, and to look for it would cost another wake-up.
void Pump::choose_pause(Source& source, std::size_t size, std::uint64_t now) noexcept {
    const std::uint64_t gap = source.last_read != 0 ? now - source.last_read : os::never;
    source.reads_in_a_row = gap < steady_gap_ns ? source.reads_in_a_row + 1 : 0;
    // Whoever types waits for the echo.
    if (source.reads_in_a_row >= steady_reads && !source.is_terminal) note_steady(now);
    const bool chatty = gap < 2 * source.pause + first_pause_ns;
    if (!chatty || size >= usual_pipe_bytes / 8)
        source.pause = first_pause_ns;
    else if (size < usual_pipe_bytes / 32 &&
             source.pause < (source.is_terminal ? longest_terminal_pause_ns : longest_pause_ns))
        source.pause *= 2;
    source.last_read = now;
    if (chatty) source.pause_pays = true;
    if (source.pause_pays) source.paused_until = now + source.pause;
}

void Pump::note_steady(std::uint64_t now) noexcept {
    steady_at_ = now;
    if (is_steady_) return;
    is_steady_ = true;
    is_patient_ = os::begin_patience();
    if (cool_at_ == os::never) cool_at_ = now + cool_ns;
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
    if (is_steady_ && now - steady_at_ < cool_ns) {
        cool_at_ = steady_at_ + cool_ns;
    } else {
        is_steady_ = false;
        if (is_patient_) os::end_patience();
        is_patient_ = false;
    }
    for (auto& source : sources_) {
        source.full_reads = 0;
        if (source.fd >= 0 && source.pipe_bytes > usual_pipe_bytes) {
            const int set = os::set_pipe_bytes(source.fd, static_cast<int>(usual_pipe_bytes));
            if (set > 0)
                source.pipe_bytes = static_cast<std::size_t>(set);
            else
                cool_at_ = now + cool_ns;  // too much in it just now
        }
        if (source.touched && source.carried() == 0) {
            buffers_.release_pages(source.number);
            source.touched = false;
        }
    }
}

bool Pump::closed() const noexcept {
    return std::all_of(std::begin(sources_), std::end(sources_), [](const Source& each) { return each.fd < 0; });
}

void Pump::flush() noexcept {
    for (auto& source : sources_)
        if (source.carried() > 0) write_piece(source, source.carried());
}

void Pump::close() noexcept {
    flush();
    for (auto& source : sources_) {
        if (source.fd >= 0) ::close(source.fd);
        source.fd = -1;
    }
}

}  // namespace persistproc::shim
