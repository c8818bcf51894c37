#pragma once
/// From the child's pipes, or its terminal, into the log. One read gives one piece of whole lines; an unfinished line
/// is carried in the buffer until its rest comes, at most 100 ms (of a terminal 20), so that a prompt shows. Bytes are
/// copied once, from pipe to buffer to file; only the carried tail ever moves. The buffers outlive a keeper that is
/// killed.
///
/// The combined view never mixes streams within a line: where one stream left a line open and the other goes on, a
/// `separator` comes first. What a program printed to its output before it printed an error stands before it. A program
/// that writes little and often is read after short pauses instead of at each write, unless it writes in bursts, behind
/// which a pause finds nothing; a pipe that is always found full is made larger for as long as that lasts. Whoever
/// prints steadily is read when it has had its turn: the keeper's waking up interrupts nobody then.
///
/// A terminal gives 4 KiB a read at most, and is full at 12: it is read until it is empty, or 64 KiB have come, which
/// are one piece. Pauses are short and come after the smallest reads alone.
#include <poll.h>

#include <cstddef>
#include <cstdint>

#include "common/logstore/writer.hpp"
#include "daemon/shim/os.hpp"
#include "daemon/shim/output_buffers.hpp"

namespace persistproc::shim {

class Pump {
public:
    static constexpr std::size_t max_sources = OutputBuffers::sources;

    explicit Pump(logstore::Writer& log) noexcept : log_(log) {}
    Pump(const Pump&) = delete;
    Pump& operator=(const Pump&) = delete;

    /// The read ends (non-blocking), by number of the source: 0 output or the master of a terminal, 1 error; -1: none,
    /// or it has ended.
    struct Pipes {
        int ends[max_sources] = {-1, -1};
    };
    /// Takes them.
    void begin(const Pipes& pipes) noexcept;
    /// Takes the buffers of a keeper that was killed (-1: there are none). Returns whose bytes it was writing to the
    /// log.
    logstore::Stream inherit(int buffers) noexcept;
    /// As `begin`, after `inherit` and with the log open: goes on where the other stopped. Returns how many bytes may
    /// be missing.
    std::size_t resume(const Pipes& pipes, std::uint64_t now) noexcept;
    /// The memory that a successor needs; -1: it has none.
    int buffers() const noexcept { return buffers_.descriptor(); }

    /// Adds the pipes to be waited for (not those in a pause). Returns how many; at most `max_sources`.
    std::size_t add_entries(pollfd* entries) const noexcept;
    /// When `serve` has something to do though no pipe has data.
    std::uint64_t deadline() const noexcept;
    /// Reads the pipes that poll found ready or whose pause is over, and writes what is due. With `in_a_hurry` (the
    /// child has ended) it reads all of them, without pauses.
    void serve(const pollfd* entries, std::size_t count, std::uint64_t now, bool in_a_hurry) noexcept;
    /// Writes unfinished lines as they are.
    void flush() noexcept;
    /// Nothing more can come: all pipes have ended.
    bool closed() const noexcept;
    /// The read end of a source, -1 when it has ended.
    int descriptor(std::size_t source) const noexcept { return sources_[source].fd; }
    /// Flushes and closes pipes that somebody outside the tree still holds.
    void close() noexcept;

private:
    struct Source {
        logstore::Stream stream = logstore::Stream::none;
        int fd = -1;
        std::size_t number = 0;
        bool is_terminal = false;
        char* buffer = nullptr;
        std::size_t begin = 0, end = 0;  // of what the buffer holds, between calls all of one unfinished line
        std::uint64_t carried_since = 0;
        std::size_t carried() const noexcept { return end - begin; }
        std::uint64_t carried_until() const noexcept;
        std::uint64_t pause = 0, paused_until = 0, last_read = 0;
        std::size_t pipe_bytes = 64u << 10;
        unsigned full_reads = 0;
        bool inside_line = false;     // its last written piece had no newline at the end
        unsigned reads_in_a_row = 0;  // never long apart
        bool pause_pays = false;      // something would have come in it
        bool touched = false;         // much of the buffer was used since it was last given back
    };

    void connect(const Pipes& pipes) noexcept;
    void hold(Source& source, std::size_t begin, std::size_t end) noexcept;
    /// Its pause is over, or poll found it ready.
    static bool is_due(const Source& source, const pollfd* entries, std::size_t count, std::uint64_t now) noexcept;
    /// `most`: bytes; what it has beyond them is left for the next time.
    void read_source(Source& source, std::uint64_t now, bool in_a_hurry, std::size_t most) noexcept;
    void read_terminal(Source& source, std::uint64_t now, bool in_a_hurry) noexcept;
    /// Reads what is there, at most `most`, behind what is held. Returns how much; 0: nothing now, -1: it has ended,
    /// and what was held is written.
    ssize_t read_once(Source& source, std::uint64_t now, std::size_t most) noexcept;
    void take(Source& source, std::size_t size, std::uint64_t now) noexcept;
    void write_piece(Source& source, std::size_t size) noexcept;
    void choose_pause(Source& source, std::size_t size, std::uint64_t now) noexcept;
    void note_large_read(Source& source, bool full, std::uint64_t now) noexcept;
    void note_steady(std::uint64_t now) noexcept;
    void cool_down(std::uint64_t now) noexcept;

    logstore::Writer& log_;
    OutputBuffers buffers_;
    Source sources_[max_sources];
    logstore::Stream open_line_ = logstore::Stream::none;  // whose unfinished line is the newest in the log
    bool line_open_ = false;
    bool is_steady_ = false, is_patient_ = false;
    std::uint64_t steady_at_ = 0;  // last found to be so
    std::uint64_t cool_at_ = os::never;
};

}  // namespace persistproc::shim
