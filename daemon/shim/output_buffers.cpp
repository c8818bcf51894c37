#include "daemon/shim/output_buffers.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace persistproc::shim {
namespace {

constexpr std::uint32_t layout = 2;
constexpr std::size_t header_bytes = 4096;
constexpr std::size_t mapped_bytes = header_bytes + OutputBuffers::sources * OutputBuffers::bytes;
constexpr auto relaxed = std::memory_order_relaxed;
// A keeper dies between two instructions of one thread: what must come first is the compiler's matter alone.
constexpr auto in_order = std::memory_order_release;

// Never touched, so never resident, where shared memory serves. Aligned when it is used: a variable of a page's
// alignment would move all others that are not initialized to a page of their own.
constexpr std::size_t page_bytes = 4096;
char unshared[page_bytes + header_bytes + OutputBuffers::sources * OutputBuffers::unshared_bytes];

char* aligned(char* memory) noexcept {
    return memory + (page_bytes - reinterpret_cast<std::uintptr_t>(memory) % page_bytes) % page_bytes;
}

std::uint64_t canary_at(std::uint32_t offset) noexcept { return 0xd1b54a32d192ed03u * (offset + 1u); }

/// Lays it, or looks whether it is untouched.
struct Canary {
    char* at;
    std::size_t size;
    std::uint64_t value;
    void lay() const noexcept { std::memcpy(at, &value, size); }
    bool lives() const noexcept { return std::memcmp(at, &value, size) == 0; }
};

Canary first_canary(char* data, std::uint32_t at, std::uint32_t size) noexcept {
    return {data + at, std::min<std::size_t>(size, sizeof(std::uint64_t)), canary_at(at)};
}
/// Meaningful from 16 bytes on.
Canary last_canary(char* data, std::uint32_t at, std::uint32_t size) noexcept {
    return {data + at + size - sizeof(std::uint64_t), sizeof(std::uint64_t), canary_at(at + size)};
}
constexpr std::uint32_t two_canaries = 2 * sizeof(std::uint64_t);

}  // namespace

/// At the beginning of the memory; behind `header_bytes` come the sources' bytes, one after the other.
struct OutputBuffers::Header {
    std::uint32_t version, header_bytes, sources, marks_bytes;
    std::uint32_t source_bytes[most_sources];
    alignas(64) Marks marks[most_sources];
};

void OutputBuffers::lay_out(char* memory, std::size_t bytes_each) noexcept {
    header_ = reinterpret_cast<Header*>(memory);
    header_->version = layout;
    header_->header_bytes = header_bytes;
    header_->sources = sources;
    header_->marks_bytes = sizeof(Marks);
    for (std::size_t i = 0; i < sources; ++i) header_->source_bytes[i] = static_cast<std::uint32_t>(bytes_each);
}

void OutputBuffers::create() noexcept {
    const int fd = ::memfd_create("persistproc-output", MFD_CLOEXEC);
    void* memory = MAP_FAILED;
    if (fd >= 0 && ::ftruncate(fd, mapped_bytes) == 0)
        memory = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) {
        fd_ = fd;
        return lay_out(static_cast<char*>(memory), bytes);
    }
    if (fd >= 0) ::close(fd);
    lay_out(aligned(unshared), unshared_bytes);
}

int OutputBuffers::attach(int fd) noexcept {
    static_assert(sizeof(Header) <= header_bytes && std::atomic<std::uint64_t>::is_always_lock_free);
    struct stat facts {};
    if (::fstat(fd, &facts) != 0) return errno;
    const auto size = static_cast<std::size_t>(facts.st_size);
    if (size < header_bytes) return EBADMSG;
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return errno;
    auto* const header = static_cast<Header*>(memory);
    const bool is_ours = header->version == layout && header->header_bytes == header_bytes &&
                         header->marks_bytes == sizeof(Marks) && header->sources <= most_sources;
    std::size_t used = header_bytes;
    for (std::size_t i = 0; is_ours && i < header->sources; ++i) used += header->source_bytes[i];
    if (!is_ours || used > size) {
        ::munmap(memory, size);
        return EBADMSG;
    }
    header_ = header;
    fd_ = fd;
    return 0;
}

std::size_t OutputBuffers::capacity(std::size_t source) const noexcept {
    return source < header_->sources ? header_->source_bytes[source] : 0;
}

OutputBuffers::Marks& OutputBuffers::marks(std::size_t source) noexcept { return header_->marks[source]; }

char* OutputBuffers::data(std::size_t source) noexcept {
    char* at = reinterpret_cast<char*>(header_) + header_->header_bytes;
    for (std::size_t i = 0; i < source; ++i) at += capacity(i);
    return at;
}

void OutputBuffers::begin_read(std::size_t source, std::uint32_t at, std::uint32_t size) noexcept {
    Marks& m = marks(source);
    first_canary(data(source), at, size).lay();
    if (size >= two_canaries) last_canary(data(source), at, size).lay();
    m.reading_at.store(at, in_order);
    m.reading.store(size, in_order);
}

void OutputBuffers::begin_write(std::size_t source, std::uint32_t from, std::uint32_t size,
                                std::uint64_t position) noexcept {
    Marks& m = marks(source);
    m.writing_from.store(from, in_order);
    m.writing_to.store(position, in_order);
    m.writing.store(size, in_order);
}

std::uint32_t OutputBuffers::settle(std::size_t source, std::uint64_t log_position) noexcept {
    Marks& m = marks(source);
    const std::uint64_t span = m.span.load(relaxed);
    auto begin = static_cast<std::uint32_t>(span);
    auto end = static_cast<std::uint32_t>(span >> 32);
    std::uint32_t lost = 0;
    const std::uint32_t reading = m.reading.load(relaxed);
    const std::uint32_t at = m.reading_at.load(relaxed);
    const std::size_t room = capacity(source);
    // The span's end is moved before the mark goes.
    if (reading > 0 && at == end && std::size_t{at} + reading <= room &&
        first_canary(data(source), at, reading).lives() == false) {
        const bool is_whole = reading < two_canaries || !last_canary(data(source), at, reading).lives();
        if (is_whole)
            end += reading;
        else
            lost = reading;
    }
    const std::uint32_t writing = m.writing.load(relaxed);
    const std::uint64_t to = m.writing_to.load(relaxed);
    if (writing > 0 && log_position > to) {
        const auto done = static_cast<std::uint32_t>(std::min<std::uint64_t>(log_position - to, writing));
        begin = std::max(begin, m.writing_from.load(relaxed) + done);
    }
    if (begin > end || end > room) begin = end = 0;
    m.reading.store(0, in_order);
    m.writing.store(0, in_order);
    m.span.store(pack(begin, end), in_order);
    return lost;
}

void OutputBuffers::release_pages(std::size_t source) noexcept {
    ::madvise(data(source), capacity(source), is_shared() ? MADV_REMOVE : MADV_DONTNEED);
}

}  // namespace persistproc::shim
