#pragma once
/// The byte side of the stdio transport: one message per line. Pure.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::cli::bridge {

struct Line {
    std::string text;  // without its end; empty when too long
    bool is_too_long = false;
};

/// Cuts a stream that comes in pieces of any size into lines. LF and CRLF end a line; blank lines are skipped. Of a
/// line beyond the bound nothing is kept.
class LineReader {
public:
    explicit LineReader(std::size_t max_bytes) : max_(max_bytes) {}
    /// Appends the lines completed by `bytes`.
    void feed(std::string_view bytes, std::vector<Line>& lines);
    /// At the end of the stream: the line that was not ended.
    std::optional<Line> finish();

private:
    void keep(std::string_view bytes);

    std::size_t max_;
    std::string partial_;
    bool is_too_long_ = false;
};

/// A message as one line, without its end: JSON has no line break but between tokens, where any blank will do.
std::string one_line(std::string message);

}  // namespace persistproc::cli::bridge
