#pragma once
/// What the targets share: an input taken apart, and how a property that does not hold is told.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace persistproc::fuzz {

/// Ends the program unless `holds`; the fuzzer then keeps the input. `what` is what should have been.
inline void require(bool holds, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (holds) return;
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort();
}

/// The bytes of one run, taken from the front. What is not there is zero or empty.
class Input {
public:
    Input(const std::uint8_t* bytes, std::size_t size) : rest_(reinterpret_cast<const char*>(bytes), size) {}

    std::uint8_t byte() { return static_cast<std::uint8_t>(take(1).empty() ? '\0' : last_[0]); }
    std::string_view take(std::size_t count) {
        last_ = rest_.substr(0, count);
        rest_.remove_prefix(last_.size());
        return last_;
    }
    /// Up to the next newline, which is taken, too.
    std::string_view line() {
        const std::string_view out = take(std::min(rest_.find('\n'), rest_.size()));
        take(1);
        return out;
    }
    std::string_view rest() { return take(rest_.size()); }

private:
    std::string_view rest_, last_;
};

/// A text in pieces: each byte of `sizes`, again and again, is one less than the size of a piece. Without sizes: whole.
class Pieces {
public:
    Pieces(std::string_view text, std::string_view sizes) : text_(text), sizes_(sizes) {}

    bool next(std::string_view& piece) {
        if (text_.empty()) return false;
        const std::size_t size =
            sizes_.empty() ? text_.size() : static_cast<std::uint8_t>(sizes_[used_++ % sizes_.size()]) + std::size_t{1};
        piece = text_.substr(0, size);
        text_.remove_prefix(piece.size());
        return true;
    }

private:
    std::string_view text_, sizes_;
    std::size_t used_ = 0;
};

}  // namespace persistproc::fuzz
