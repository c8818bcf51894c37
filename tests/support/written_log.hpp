#pragma once
/// A log on disk made record by record from the format's own structs, without the writer under test elsewhere.
#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "common/base/checksum.hpp"
#include "common/logstore/format.hpp"

namespace persistproc::tests {

class WrittenLog {
public:
    explicit WrittenLog(std::filesystem::path directory) : directory_(std::move(directory)) {
        std::filesystem::create_directories(directory_);
        begin_segment();
    }

    const std::filesystem::path& path() const { return directory_; }
    std::filesystem::path data_file(std::uint32_t number) const {
        return directory_ / fmt::format("{:08}.log", number);
    }
    std::filesystem::path index_file(std::uint32_t number) const {
        return directory_ / fmt::format("{:08}.idx", number);
    }
    std::uint64_t position() const { return header_.first_position + offset_; }

    std::uint32_t run = 1;
    std::int64_t wall_ns = 1'000'000'000;  // of the next records

    /// A piece; line_complete and the separator's stream are set as the writer would.
    void append(logstore::Stream stream, std::string_view bytes, std::uint8_t flags = 0) {
        logstore::IndexRecord record;
        record.stream = stream;
        record.flags = flags;
        if (bytes.ends_with('\n')) record.flags = static_cast<std::uint8_t>(record.flags | logstore::line_complete);
        std::ofstream(data_file(header_.segment), std::ios::app | std::ios::binary) << bytes;
        put(record, bytes);
    }
    void out(std::string_view bytes, std::uint8_t flags = 0) { append(logstore::Stream::out, bytes, flags); }
    void err(std::string_view bytes, std::uint8_t flags = 0) { append(logstore::Stream::err, bytes, flags); }
    void separate(logstore::Stream stream) { append(stream, "\n", logstore::separator); }
    void event(logstore::Event event, std::int64_t value) {
        logstore::IndexRecord record;
        record.flags = logstore::event;
        record.event = event;
        record.value = value;
        put(record, "");
    }
    void lose(logstore::Stream stream, std::int64_t bytes) {
        logstore::IndexRecord record;
        record.stream = stream;
        record.flags = logstore::gap;
        record.value = bytes;
        put(record, "");
    }
    void begin_segment() {
        header_.first_position += offset_;
        header_.first_sequence = sequence_;
        header_.first_line = lines_;
        header_.segment += 1;
        header_.crc = base::crc32c(&header_, offsetof(logstore::SegmentHeader, crc));
        offset_ = 0;
        std::ofstream(data_file(header_.segment), std::ios::binary);
        write_index(&header_, sizeof header_);
    }
    void remove_segment(std::uint32_t number) {
        std::filesystem::remove(data_file(number));
        std::filesystem::remove(index_file(number));
    }

private:
    void put(logstore::IndexRecord record, std::string_view bytes) {
        record.sequence = sequence_++;
        record.offset = offset_;
        record.length = static_cast<std::uint32_t>(bytes.size());
        record.run = run;
        if ((record.flags & logstore::recovered) == 0) record.wall_ns = wall_ns;
        for (const char c : bytes) record.lines += c == '\n' ? 1 : 0;
        record.crc = base::crc32c(&record, offsetof(logstore::IndexRecord, crc));
        offset_ += bytes.size();
        lines_ += record.lines;
        write_index(&record, sizeof record);
    }
    void write_index(const void* bytes, std::size_t size) {
        std::ofstream(index_file(header_.segment), std::ios::app | std::ios::binary)
            .write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    }

    std::filesystem::path directory_;
    logstore::SegmentHeader header_;
    std::uint64_t offset_ = 0, sequence_ = 1, lines_ = 0;
};

}  // namespace persistproc::tests
