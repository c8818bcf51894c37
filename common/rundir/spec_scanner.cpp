#include "common/rundir/spec_scanner.hpp"

#include <cerrno>
#include <limits>

#include "common/base/checksum.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::rundir {
namespace {
constexpr std::size_t trailer_bytes = 4 + 8 + 1;  // "end ", eight hex digits, newline
}

bool parse_number(std::string_view text, std::uint64_t& out, unsigned base) noexcept {
    if (text.empty()) return false;
    std::uint64_t value = 0;
    for (const char c : text) {
        unsigned digit = 99;
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
        if (digit >= base || value > (std::numeric_limits<std::uint64_t>::max() - digit) / base) return false;
        value = value * base + digit;
    }
    out = value;
    return true;
}

int SpecScanner::check() noexcept {
    at_ = 0;
    if (slice(bytes_, 0, spec_magic.size()) != spec_magic) return EBADMSG;
    const std::size_t line = bytes_.find('\n');
    const std::size_t dot = bytes_.find('.');
    if (line == bytes_.npos || dot > line ||
        !parse_number(slice(bytes_, spec_magic.size(), dot - spec_magic.size()), major_) ||
        !parse_number(slice(bytes_, dot + 1, line - dot - 1), minor_))
        return EBADMSG;
    if (major_ != format_major) return EPROTONOSUPPORT;
    first_ = line + 1;

    at_ = bytes_.size() < trailer_bytes ? bytes_.size() : bytes_.size() - trailer_bytes;
    if (at_ < first_ || slice(bytes_, at_, 4) != "end " || bytes_.back() != '\n') return EBADMSG;
    std::uint64_t crc = 0;
    if (!parse_number(slice(bytes_, at_ + 4, 8), crc, 16) || crc != base::crc32c(bytes_.data(), at_)) return EBADMSG;
    end_ = at_;

    Entry entry;
    for (at_ = first_; at_ < end_;)
        if (!read_entry(entry)) return EBADMSG;
    rewind();
    return 0;
}

bool SpecScanner::read_entry(Entry& entry) noexcept {
    const std::size_t line = bytes_.find('\n', at_);
    const std::size_t space = bytes_.find(' ', at_);
    std::uint64_t length = 0;
    if (line == bytes_.npos || line >= end_ || space > line || space == at_ ||
        !parse_number(slice(bytes_, space + 1, line - space - 1), length))
        return false;
    const std::size_t value = line + 1;
    if (length >= end_ - value || bytes_[value + length] != '\n') return false;
    entry = {slice(bytes_, at_, space - at_), value, static_cast<std::size_t>(length)};
    at_ = value + static_cast<std::size_t>(length) + 1;
    return true;
}

// Reads what stands before and behind a value only by its lengths: SpecView overwrites the newline after each value.
bool SpecScanner::next(Entry& entry) noexcept {
    if (at_ >= end_) return false;
    const std::size_t line = bytes_.find('\n', at_);
    const std::size_t space = bytes_.find(' ', at_);
    std::uint64_t length = 0;
    parse_number(slice(bytes_, space + 1, line - space - 1), length);
    entry = {slice(bytes_, at_, space - at_), line + 1, static_cast<std::size_t>(length)};
    at_ = line + 1 + static_cast<std::size_t>(length) + 1;
    return true;
}

}  // namespace persistproc::rundir
