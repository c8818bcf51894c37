/// A segment and its index on disk. Input: a byte that says how the index comes to be, a byte of the query, two bytes
/// of the log's length, the log, the index:
///   0  the index as it is
///   1  the same with right checksums, magic and number, so that what lies behind them is reached
///   2  as a shim would have written it: each byte of the input gives the length and the stream of a piece
/// Only in the last the log is whole, and must be read as it was written.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/checksum.hpp"
#include "common/logstore/reader.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::logstore;
using fuzz::require;

/// One directory for all runs, removed at the end.
class Directory {
public:
    Directory() {
        const char* place = std::getenv("TMPDIR");
        std::string name = std::string(place != nullptr ? place : "/dev/shm") + "/persistproc-fuzz-XXXXXX";
        require(::mkdtemp(name.data()) != nullptr, "a temporary directory");
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }
    void write(const char* name, std::string_view bytes) const {
        const int file = ::open((path_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        require(file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "room");
        ::close(file);
    }

private:
    std::filesystem::path path_;
};

template <class Record>
void seal(Record& record) {
    record.crc = base::crc32c(&record, offsetof(Record, crc));
}

template <class Record>
void append(std::string& out, Record record) {
    seal(record);
    out.append(reinterpret_cast<const char*>(&record), sizeof record);
}

std::string sealed(std::string_view index) {
    std::string out;
    SegmentHeader header;
    const SegmentHeader own;
    std::memcpy(&header, index.data(), std::min(index.size(), sizeof header));
    std::memcpy(header.magic, own.magic, sizeof header.magic);
    header.major = own.major;
    header.segment = 1;
    header.first_position %= std::uint64_t{1} << 62;  // nothing writes that much
    append(out, header);
    for (std::size_t at = sizeof header; at < index.size(); at += sizeof(IndexRecord)) {
        IndexRecord record;
        std::memcpy(&record, index.data() + at, std::min(index.size() - at, sizeof record));
        append(out, record);
    }
    return out;
}

/// Cuts `log` to what it names.
std::string built(std::string_view& log, std::string_view pieces) {
    std::string out;
    SegmentHeader header;
    header.segment = 1;
    header.first_sequence = 1;
    append(out, header);
    IndexRecord record;
    bool is_open[2] = {};
    for (const char each : pieces) {
        const auto piece = static_cast<std::uint8_t>(each);
        const std::string_view text = log.substr(record.offset, 1 + piece % 64);
        if (text.empty()) break;
        ++record.sequence;
        record.length = static_cast<std::uint32_t>(text.size());
        record.run = 1;
        record.wall_ns = static_cast<std::int64_t>(record.sequence) * 1000;
        record.stream = piece >= 128 ? Stream::err : Stream::out;
        record.lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
        bool& open = is_open[piece >= 128];
        record.flags =
            static_cast<std::uint8_t>((text.ends_with('\n') ? line_complete : 0) | (open ? line_continues : 0));
        open = !text.ends_with('\n');
        append(out, record);
        record.offset += record.length;
    }
    log = log.substr(0, record.offset);
    return out;
}

void check_error(const Error& error) {
    require(error.code == ErrorCode::io || error.code == ErrorCode::corrupt || error.code == ErrorCode::unsupported,
            "an error is the disk's");
}

std::string joined(const std::vector<Line>& lines) {
    std::string out;
    for (const Line& line : lines) {
        out += line.text;
        if (line.complete) out += '\n';
    }
    return out;
}

LineQuery query_of(std::uint8_t bits) {
    LineQuery query;
    query.stream = static_cast<StreamChoice>(bits % 3);
    if ((bits & 4) != 0) query.last = 2;
    if ((bits & 8) != 0) query.grep = "a";
    if ((bits & 16) != 0) query.events = true;
    if ((bits & 32) != 0 && (bits & 8) == 0) query.losses = true;
    if ((bits & 64) != 0) query.since_ns = 2000;
    if ((bits & 128) != 0) query.max_bytes = 16;
    return query;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const Directory directory;
    fuzz::Input input(bytes, size);
    const auto kind = input.byte();
    const auto query_bits = input.byte();
    const std::size_t log_bytes = input.byte() + input.byte() * std::size_t{256};
    std::string_view log = input.take(log_bytes);
    const std::string_view rest = input.rest();
    const bool is_whole = kind % 3 == 2;
    const std::string index = is_whole ? built(log, rest) : kind % 3 == 1 ? sealed(rest) : std::string(rest);
    const std::size_t records = index.size() / sizeof(IndexRecord);
    directory.write("00000001.log", log);
    directory.write("00000001.idx", index);

    const auto end = find_log_end(directory.path());
    if (end)
        require(end->oldest <= end->position, "a log ends behind its beginning");
    else
        check_error(end.error());

    const LineQuery query = query_of(query_bits);
    const auto page = read_lines(directory.path(), query);
    if (page) {
        // One line is given whatever the bound.
        std::size_t text = 0;
        for (const Line& line : page->lines) text += line.text.size();
        require(text <= std::max(query.max_bytes, log.size()), "an answer is bounded");
    } else {
        check_error(page.error());
    }
    if (const auto span = locate(directory.path(), query))
        require(span->begin <= span->end, "a span ends behind its beginning");
    else
        check_error(span.error());
    if (const auto losses = find_losses(directory.path(), 1, {}); !losses) check_error(losses.error());

    // Page by page, three lines at a time.
    std::string by_pages;
    LineQuery paged;
    paged.first = 3;
    for (std::size_t i = 0;; ++i) {
        const auto next = read_lines(directory.path(), paged);
        if (!next) {
            check_error(next.error());
            break;
        }
        by_pages += joined(next->lines);
        if (!next->more) break;
        require(!paged.from || next->next > *paged.from, "a page goes on behind the one before it");
        require(i <= records + log.size(), "pages come to an end");
        paged.from = next->next;
    }

    std::string followed;
    Follower follower(directory.path());
    for (std::size_t i = 0;; ++i) {
        auto items = follower.read_more(64);
        if (!items) {
            check_error(items.error());
            break;
        }
        if (items->empty()) break;
        require(i <= records, "what is followed comes to an end");
        for (const auto& item : *items) followed += item.bytes;
    }

    if (!is_whole) return 0;
    LineQuery all;
    all.max_bytes = 1u << 20;
    const auto lines = read_lines(directory.path(), all);
    require(end && page && lines, "a whole log is read");
    require(end->position == log.size() && end->oldest == 0, "a log ends with its last byte");
    require(followed == log, "what is followed is what was written");
    require(joined(lines->lines) == log, "what is read is what was written");
    require(by_pages == log, "pages are what was written");
    return 0;
}
