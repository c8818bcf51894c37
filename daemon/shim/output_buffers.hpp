#pragma once
/// What a keeper has read from its child's pipes and not recorded yet, in memory that outlives it: a memfd that its
/// daemon holds, too. A successor finds each byte either here, in the pipe or in the log, whichever instruction the
/// keeper was killed at.
///
/// The rules of the marks. A change becomes visible by one store; what stands at its places before that store means
/// nothing. Before a read, `reading` says how much is about to come (that many bytes are in the pipe, and nobody else
/// reads it) and canaries are laid where they will come. Before an append to the log, `writing` says which bytes go to
/// which position; the log itself tells how far it came.
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace persistproc::shim {

class OutputBuffers {
public:
    static constexpr std::size_t sources = 2;                         // that this version reads: output and error
    static constexpr std::size_t most_sources = 16;                   // there is room for in the memory's header
    static constexpr std::size_t bytes = (256u << 10) + (64u << 10);  // of each source
    /// Without memory that outlives the keeper no more is held of one stream than may be lost.
    static constexpr std::size_t unshared_bytes = 64u << 10;

    /// The marks of one source. Plain stores and loads: writer and reader never live at the same time.
    struct Marks {
        std::atomic<std::uint64_t> span;  // begin | end << 32 of the bytes that are held
        std::atomic<std::uint32_t> reading, reading_at;
        std::atomic<std::uint32_t> writing, writing_from;
        std::atomic<std::uint64_t> writing_to;  // position in the process's output
        std::atomic<std::uint8_t>
            inside_line;  // the last piece of the stream that was recorded had no newline at its end
    };

    OutputBuffers() noexcept = default;
    OutputBuffers(const OutputBuffers&) = delete;
    OutputBuffers& operator=(const OutputBuffers&) = delete;

    /// Makes the shared memory. Where the kernel gives none, private memory serves, and `is_shared` is false.
    void create() noexcept;
    /// Takes over the memory of another keeper; the descriptor becomes ours. Its header says how many sources there are
    /// and how large each is: a keeper of another version may have had more or other ones; those beyond `sources` are
    /// left alone, those that it had not have no room. Returns 0 or errno (EBADMSG: not ours to understand).
    int attach(int fd) noexcept;

    bool is_shared() const noexcept { return fd_ >= 0; }
    /// To be handed over; -1 when it is not shared.
    int descriptor() const noexcept { return fd_; }
    std::size_t capacity(std::size_t source) const noexcept;
    Marks& marks(std::size_t source) noexcept;
    char* data(std::size_t source) noexcept;

    /// Says that `size` bytes are about to be read to `at`.
    void begin_read(std::size_t source, std::uint32_t at, std::uint32_t size) noexcept;
    /// Says that bytes `from` to `from + size` are about to be appended at `position`.
    void begin_write(std::size_t source, std::uint32_t from, std::uint32_t size, std::uint64_t position) noexcept;
    /// After an `attach`: brings the span of a source to what the log does not have yet. Returns the bytes of a read
    /// that was broken off in the middle; they are lost.
    std::uint32_t settle(std::size_t source, std::uint64_t log_position) noexcept;
    /// Gives the pages of a source back to the system; nothing may be held in it.
    void release_pages(std::size_t source) noexcept;

    static std::uint64_t pack(std::size_t begin, std::size_t end) noexcept {
        return static_cast<std::uint64_t>(begin) | static_cast<std::uint64_t>(end) << 32;
    }

private:
    struct Header;
    /// Says in the header what follows it.
    void lay_out(char* memory, std::size_t bytes_each) noexcept;

    Header* header_ = nullptr;
    int fd_ = -1;
};

}  // namespace persistproc::shim
