#include "cli/format/output_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "cli/format/json_text.hpp"
#include "cli/format/note.hpp"
#include "common/base/text.hpp"
#include "common/base/time.hpp"
#include "common/domain/process.hpp"
#include "common/logstore/loss_text.hpp"

namespace persistproc::cli::format {

using logstore::Follower;
using logstore::Stream;

namespace {

std::string time_text(std::int64_t wall_ns) {
    return wall_ns == 0 ? std::string("(time unknown)") : base::format_local_time(base::from_ns(wall_ns));
}

std::string_view stream_text(Stream stream) {
    switch (stream) {
        case Stream::out: return "stdout";
        case Stream::err: return "stderr";
        case Stream::none: break;
    }
    return "unknown";
}

/// A daemon or shim event, for people. Empty: not worth a line.
std::string event_text(logstore::Event event, std::int64_t value, const std::string& run) {
    using E = logstore::Event;
    const auto number = static_cast<int>(value);
    switch (event) {
        case E::started: return fmt::format("{} started, pid {}", run, value);
        case E::exited: return fmt::format("{} exited with code {}", run, value);
        case E::killed: return fmt::format("{} was killed by {}", run, domain::signal_name(number));
        case E::exec_failed: return fmt::format("{} could not be executed: {}", run, std::strerror(number));
        case E::signalled: return fmt::format("{} was sent {}", run, domain::signal_name(number));
        case E::stopping: return fmt::format("{} is being stopped with {}", run, domain::signal_name(number));
        case E::output_closed: return fmt::format("{} closed its output", run);
        case E::taken_over:
            if (value == 0) return fmt::format("the shim of {} was killed and replaced; nothing is missing", run);
            [[fallthrough]];
        case E::removed: return logstore::loss_text(event, value).value_or("");
        case E::none: break;
    }
    return {};
}

bool is_of(Stream stream, logstore::StreamChoice choice) {
    switch (choice) {
        case logstore::StreamChoice::combined: return true;
        case logstore::StreamChoice::err: return stream == Stream::err;
        case logstore::StreamChoice::out: break;
    }
    return stream != Stream::err;
}

/// What was not recorded or is not there any more.
std::string missing_text(const Follower::Item& item) {
    if (item.evicted_bytes > 0) return logstore::evicted_text(item.evicted_bytes);
    if ((item.flags & logstore::gap) != 0) return logstore::gap_text(item.value);
    return logstore::loss_text(item.event, item.value).value_or("");
}

OwnerEvent missing_event(const Follower::Item& item, const std::string& text) {
    const bool is_removed = item.evicted_bytes > 0 || item.event == logstore::Event::removed;
    OwnerEvent out{.event = is_removed ? "removed" : "gap", .run = {}, .text = text};
    out.bytes = item.evicted_bytes > 0 ? static_cast<std::int64_t>(item.evicted_bytes) : item.value;
    return out;
}

class ByteView final : public OutputView {
public:
    explicit ByteView(OutputStyle style) : style_(std::move(style)) {}

    void take(const Follower::Item& item, std::vector<Chunk>& out) override {
        if (const std::string missing = missing_text(item); !missing.empty())
            return say(STDERR_FILENO, note_text(missing, style_.note_columns), out);
        if (item.event != logstore::Event::none) {
            if (!style_.events) return;
            const std::string run = fmt::format("{}.{}", style_.process_id, item.run);
            if (const std::string text = event_text(item.event, item.value, run); !text.empty())
                say(style_.split ? STDERR_FILENO : STDOUT_FILENO,
                    fmt::format("{} -- {}\n", time_text(item.wall_ns), text), out);
            return;
        }
        if (!is_of(item.stream, style_.choice)) return;
        const bool is_separator = (item.flags & logstore::separator) != 0;
        // It belongs to the combined view alone.
        if (is_separator && (style_.choice != logstore::StreamChoice::combined || (style_.split && !style_.one_screen)))
            return;
        const int fd = style_.split && item.stream == Stream::err ? STDERR_FILENO : STDOUT_FILENO;
        // It ends a line that another run has begun, before what is shown.
        if (is_separator && !is_inside_line() && held_[0].empty() && held_[1].empty()) return;
        if (style_.one_screen || !style_.split) change_to(item.stream, out);
        const bool escape = fd == STDERR_FILENO ? style_.escape_err : style_.escape_out;
        std::string text = std::exchange(held_[index(fd)], {}) + item.bytes;
        if (escape || is_plain(fd)) {
            const std::size_t wait = incomplete_suffix(text, style_.other_sequences);
            held_[index(fd)] = text.substr(text.size() - wait);
            text.resize(text.size() - wait);
        }
        give(fd, text, escape, item.wall_ns, out);
    }

    void finish(std::vector<Chunk>& out) override {
        for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
            give(fd, std::exchange(held_[index(fd)], {}), fd == STDERR_FILENO ? style_.escape_err : style_.escape_out,
                 0, out);
    }

    bool is_inside_line() const override { return inside_[0] || inside_[1]; }

private:
    static std::size_t index(int fd) { return fd == STDERR_FILENO ? 1 : 0; }
    bool is_plain(int fd) const { return fd == STDERR_FILENO ? style_.plain_err : style_.plain_out; }

    /// Only its rest may follow the beginning of a sequence.
    void change_to(Stream stream, std::vector<Chunk>& out) {
        if (stream == last_) return;
        finish(out);
        last_ = stream;
    }

    void give(int fd, std::string text, bool escape, std::int64_t wall_ns, std::vector<Chunk>& out) {
        if (is_plain(fd)) text = base::without_colours(text);
        if (text.empty()) return;
        bool& inside = inside_[style_.one_screen ? 0 : index(fd)];
        std::string shown;
        if (style_.timestamps) {
            for (std::string_view rest = text; !rest.empty();) {
                if (!inside) {
                    shown += time_text(wall_ns) + " ";
                    returned_[index(fd)] = false;
                }
                const std::size_t newline = rest.find('\n');
                const std::string_view line = rest.substr(0, newline == std::string_view::npos ? newline : newline + 1);
                shown += escape ? base::escape_for_terminal(rewrite(fd, line, inside, wall_ns, shown),
                                                            style_.other_sequences)
                                : std::string(line);
                inside = newline == std::string_view::npos;
                rest.remove_prefix(line.size());
            }
        } else {
            shown = escape ? base::escape_for_terminal(text, style_.other_sequences) : text;
            inside = !text.ends_with('\n');
        }
        out.push_back(Chunk{fd, std::move(shown)});
    }

    /// What is to be shown of a part of a line that stands behind its time. Where a carriage return led to its
    /// beginning and something follows, the line begins again, with the time, at the end of `shown`.
    std::string rewrite(int fd, std::string_view part, bool inside, std::int64_t wall_ns, std::string& shown) {
        bool& returned = returned_[index(fd)];
        const bool ends = part.ends_with('\n');
        if (ends) part.remove_suffix(1);
        const std::string_view last = base::last_rewrite(part);
        if (!last.empty()) {
            if (inside && (returned || last.data() != part.data())) shown += "\r\x1b[K" + time_text(wall_ns) + " ";
            returned = false;
        }
        returned = returned || part.ends_with('\r');
        return std::string(last) + (ends ? "\n" : "");
    }

    void say(int fd, const std::string& text, std::vector<Chunk>& out) {
        finish(out);
        const bool breaks = style_.one_screen && is_inside_line();
        if (breaks) inside_ = {};
        out.push_back(Chunk{fd, (breaks ? "\n" : "") + text});
    }

    OutputStyle style_;
    std::array<std::string, 2> held_;
    std::array<bool, 2> inside_{};
    std::array<bool, 2> returned_{};  // behind a time: the last thing seen of the line is a carriage return
    Stream last_ = Stream::none;
};

class LineView final : public OutputView {
public:
    LineView(OutputStyle style, logstore::LineFilter filter, bool json)
        : style_(std::move(style)),
          filter_(std::move(filter)),
          json_(json),
          is_joined_(filter_.is_search() && style_.choice == logstore::StreamChoice::combined) {}

    void take(const Follower::Item& item, std::vector<Chunk>& out) override {
        if (const std::string missing = missing_text(item); !missing.empty()) {
            finish(out);
            open_ = {};
            out.push_back(json_ ? Chunk{STDOUT_FILENO, event_json(missing_event(item, missing))}
                                : Chunk{STDERR_FILENO, note_text(missing, style_.note_columns)});
            return;
        }
        if (item.event != logstore::Event::none) return;
        if (!is_of(item.stream, style_.choice)) return;
        OpenLine& open = open_[is_joined_ && item.stream == Stream::err ? 1 : 0];
        if ((item.flags & logstore::separator) != 0) {
            if (style_.choice == logstore::StreamChoice::combined && !is_joined_ && open.is_open) {
                open.line.complete = true;
                give(open, out);
            }
            return;
        }
        const bool is_other = open.line.stream != item.stream || open.line.run != item.run;
        if (open.is_open && is_other) finish(out);
        if (is_other) open.ends = {};
        for (std::string_view rest = item.bytes; !rest.empty();) {
            if (!open.is_open) {
                open.is_open = true;
                open.line = logstore::Line{};
                open.line.stream = item.stream;
                open.line.run = item.run;
                open.line.wall_ns = item.wall_ns;
                open.line.position = item.position;
                open.line.complete = false;
                open.ends.begins = open.ends.ends;
            }
            const std::size_t newline = rest.find('\n');
            open.line.text += rest.substr(0, newline);
            rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
            if (newline == std::string_view::npos && open.line.text.size() < max_line_bytes) return;
            open.line.complete = newline != std::string_view::npos;
            give(open, out, !open.line.complete);
        }
    }

    void finish(std::vector<Chunk>& out) override {
        const bool is_err_first =
            open_[0].is_open && open_[1].is_open && open_[1].line.position < open_[0].line.position;
        give(open_[is_err_first ? 1 : 0], out);
        give(open_[is_err_first ? 0 : 1], out);
    }
    bool is_inside_line() const override { return false; }

private:
    /// A line without end must not fill the memory.
    static constexpr std::size_t max_line_bytes = 1u << 20;

    struct OpenLine {
        logstore::Line line;
        logstore::LineEnds ends;  // a line without end comes in parts: of this one, or of the part before
        bool is_open = false;
    };

    void give(OpenLine& open, std::vector<Chunk>& out, bool goes_on = false) {
        if (!open.is_open) return;
        open.is_open = false;
        open.ends.ends = !goes_on;
        filter_.take(std::move(open.line), open.ends, [&](const logstore::Line& line, bool) {
            const int fd = style_.split && !json_ && line.stream == Stream::err ? STDERR_FILENO : STDOUT_FILENO;
            out.push_back(Chunk{fd, line_text(line, style_, json_)});
        });
    }

    OutputStyle style_;
    logstore::LineFilter filter_;
    bool json_;
    bool is_joined_;                  // a search sees the lines of each stream whole
    std::array<OpenLine, 2> open_{};  // joined: of stdout, of stderr
};

}  // namespace

std::unique_ptr<OutputView> make_byte_view(OutputStyle style) { return std::make_unique<ByteView>(std::move(style)); }

std::unique_ptr<OutputView> make_line_view(OutputStyle style, logstore::LineFilter filter, bool json) {
    return std::make_unique<LineView>(std::move(style), std::move(filter), json);
}

std::string line_text(const logstore::Line& line, const OutputStyle& style, bool json) {
    const auto run = [&] { return fmt::format("{}.{}", style.process_id, line.run); };
    if (json) {
        RecordedLine recorded{.text = line.text,
                              .stream = stream_text(line.stream),
                              .run = run(),
                              .time = std::nullopt,
                              .complete = line.complete};
        if (line.wall_ns != 0) recorded.time = base::format_rfc3339(base::from_ns(line.wall_ns));
        if (!style.label.empty()) recorded.process = {{style.process_id, style.label}};
        return line_json(recorded);
    }
    if (line.event)
        return fmt::format("{} -- {}\n", time_text(line.wall_ns), event_text(*line.event, line.value, run()));
    const bool is_err = style.split && line.stream == Stream::err;
    const bool escape = is_err ? style.escape_err : style.escape_out;
    const std::string before = style.before + (style.timestamps ? time_text(line.wall_ns) + " " : std::string());
    std::string text(escape && !before.empty() ? base::last_rewrite(line.text) : line.text);
    if (is_err ? style.plain_err : style.plain_out) text = base::without_colours(text);
    return before + (escape ? base::escape_for_terminal(text, style.other_sequences) : text) + "\n";
}

base::Sequences sequences_of(const ProcessView& process) noexcept {
    return process.input == domain::Input::tty ? base::Sequences::dropped : base::Sequences::shown;
}

std::size_t incomplete_suffix(std::string_view text, base::Sequences other) noexcept {
    // What is dropped may be a title.
    const std::size_t longest_sequence = other == base::Sequences::dropped ? 1024 : 64;
    const std::size_t escape = text.rfind('\x1b');
    if (escape != std::string_view::npos && text.size() - escape <= longest_sequence) {
        const std::string_view sequence = text.substr(escape);
        if (sequence.size() == 1) return 1;
        if (other == base::Sequences::dropped && base::is_unfinished_sequence(sequence)) return sequence.size();
        // Of what stays as it is, only colours are sequences: ESC [ digits and separators, then a letter.
        const auto is_inner = [](char c) { return (c >= '0' && c <= '9') || c == ';' || c == ':'; };
        if (sequence[1] == '[' && std::all_of(sequence.begin() + 2, sequence.end(), is_inner)) return sequence.size();
    }
    for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xC0) == 0x80) continue;
        const std::size_t needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return needed > back ? back : 0;
    }
    return 0;
}

}  // namespace persistproc::cli::format
