#pragma once
/// Walks the entries of a spec file in place. No heap, no exceptions.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persistproc::rundir {

class SpecScanner {
public:
    struct Entry {
        std::string_view key;
        std::size_t value = 0;  // offset of the value's first byte
        std::size_t length = 0;
    };

    explicit SpecScanner(std::string_view bytes) noexcept : bytes_(bytes) {}

    /// Checks the header, the trailing checksum and that entries fill exactly the space between. Returns 0, EBADMSG
    /// or EPROTONOSUPPORT; `where()` is then the offset that is wrong.
    int check() noexcept;
    /// The next entry; false after the last one. Only after a successful `check`.
    bool next(Entry& entry) noexcept;
    void rewind() noexcept { at_ = first_; }
    std::size_t where() const noexcept { return at_; }
    /// That the header names, once it has been checked, also where it is unsupported.
    std::uint64_t major() const noexcept { return major_; }
    std::uint64_t minor() const noexcept { return minor_; }

private:
    bool read_entry(Entry& entry) noexcept;
    std::string_view bytes_;
    std::size_t at_ = 0, first_ = 0, end_ = 0;
    std::uint64_t major_ = 0, minor_ = 0;
};

/// Like `substr`, but clamped: what does not exist is empty. (`substr` throws, which would bring the shim all of the
/// exception machinery.)
constexpr std::string_view slice(std::string_view text, std::size_t from, std::size_t count = std::string_view::npos) {
    if (from >= text.size()) return {};
    const std::size_t left = text.size() - from;
    return {text.data() + from, count < left ? count : left};
}

/// Unsigned number of the given base that fills the whole text; false: it does not.
bool parse_number(std::string_view text, std::uint64_t& out, unsigned base = 10) noexcept;

inline constexpr std::string_view spec_magic = "ppspec ";

}  // namespace persistproc::rundir
