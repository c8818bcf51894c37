#include "common/logstore/snapshot.hpp"

#include <charconv>
#include <system_error>

namespace persistproc::logstore {

Result<Snapshot> Snapshot::take(const std::filesystem::path& log_directory) {
    Snapshot snapshot;
    snapshot.directory_ = log_directory;
    // The bound may remove the oldest segments between the listing and the opening: look again, it moves on slowly.
    for (int attempt = 0; attempt < 3; ++attempt) {
        snapshot.names_ = NamesStamp::of(log_directory);
        auto numbers = list_segments(log_directory);
        if (!numbers) return numbers.error();
        snapshot.segments_ = std::move(*numbers);
        snapshot.open_.clear();
        snapshot.open_.resize(snapshot.segments_.size());
        snapshot.gone_.assign(snapshot.segments_.size(), false);
        while (!snapshot.segments_.empty()) {
            auto newest = snapshot.segment(snapshot.segments_.size() - 1);
            if (!newest) return newest.error();
            if (*newest != nullptr) break;
            // Its header is still being written: the log ends before it.
            snapshot.segments_.pop_back();
            snapshot.open_.pop_back();
            snapshot.gone_.pop_back();
        }
        if (snapshot.segments_.empty()) return snapshot;
        auto oldest = snapshot.segment(0);
        if (!oldest) return oldest.error();
        if (*oldest != nullptr) return snapshot;
    }
    // Still racing: what can be opened is what there is.
    std::size_t first = 0;
    for (; first + 1 < snapshot.segments_.size(); ++first) {
        auto one = snapshot.segment(first);
        if (!one) return one.error();
        if (*one != nullptr) break;
    }
    const auto count = static_cast<std::ptrdiff_t>(first);
    snapshot.segments_.erase(snapshot.segments_.begin(), snapshot.segments_.begin() + count);
    snapshot.open_.erase(snapshot.open_.begin(), snapshot.open_.begin() + count);
    snapshot.gone_.erase(snapshot.gone_.begin(), snapshot.gone_.begin() + count);
    return snapshot;
}

Place Snapshot::end() const noexcept {
    if (segments_.empty()) return Place{};
    return Place{segments_.size() - 1, open_.back()->count()};
}

std::uint64_t Snapshot::oldest_position() const noexcept {
    return segments_.empty() ? 0 : open_.front()->first_position();
}

std::uint64_t Snapshot::end_position() const noexcept { return segments_.empty() ? 0 : open_.back()->end_position(); }

Result<Segment*> Snapshot::segment(std::size_t i) {
    if (gone_[i]) return nullptr;
    if (!open_[i]) {
        auto opened = Segment::open(directory_, segments_[i]);
        // A damaged header takes its segment with it, and no other. Of the newest one that would hide what is new.
        const bool is_damaged = !opened && opened.error().code == ErrorCode::corrupt && i + 1 < segments_.size();
        if (!opened && !is_damaged) return opened.error();
        if (is_damaged || !*opened) {
            gone_[i] = true;
            return nullptr;
        }
        open_[i] = std::move(**opened);
    }
    return &*open_[i];
}

std::uint64_t Snapshot::unindexed_bytes() const {
    std::uint64_t bytes = segments_.empty() ? 0 : open_.back()->unindexed_bytes();
    // Segments without an index are in no listing: those behind the newest one that has one.
    std::error_code failed;
    std::uint32_t number = segments_.empty() ? 0 : segments_.back();
    std::filesystem::directory_iterator entry(directory_, failed);
    for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
        const auto& path = entry->path();
        if (path.extension() != ".log") continue;
        const std::string name = path.stem().native();
        std::uint32_t found = 0;
        const auto [stop, unread] = std::from_chars(name.data(), name.data() + name.size(), found);
        if (unread != std::errc() || stop != name.data() + name.size() || found <= number) continue;
        std::error_code unknown;
        // It was begun since.
        if (std::filesystem::exists(index_path(directory_, found), unknown)) continue;
        const auto size = entry->file_size(unknown);
        if (!unknown) bytes += size;
    }
    return bytes;
}

Result<Place> Snapshot::find_position(std::uint64_t position) {
    return find([position](const Segment& segment, const IndexRecord& record) -> std::optional<bool> {
        const std::uint64_t at = segment.position_of(record);
        return record.length == 0 ? at < position : at + record.length <= position;
    });
}

Result<std::uint64_t> Snapshot::position_at(Place place) {
    for (; place.segment < segments_.size(); ++place.segment, place.record = 0) {
        auto in = segment(place.segment);
        if (!in) return in.error();
        if (*in == nullptr) continue;
        for (; place.record < (*in)->count(); ++place.record) {
            auto record = (*in)->record(place.record);
            if (!record) return record.error();
            if (*record) return (*in)->position_of(**record);
        }
    }
    return end_position();
}

Result<std::uint64_t> Snapshot::count_lines(Place from, Place to, StreamChoice choice) {
    std::uint64_t lines = 0;
    if (choice == StreamChoice::combined && from.segment < to.segment) {
        // The headers know the sum of all before them.
        auto first = segment(from.segment);
        auto last = segment(to.segment);
        if (!first) return first.error();
        if (!last) return last.error();
        if (*first != nullptr && *last != nullptr) {
            auto before = (*first)->count_lines(0, from.record, choice);
            auto after = (*last)->count_lines(0, to.record, choice);
            if (!before) return before.error();
            if (!after) return after.error();
            const std::uint64_t begin = (*first)->header().first_line + *before,
                                end = (*last)->header().first_line + *after;
            return end > begin ? end - begin : 0;
        }
    }
    for (; from < to; ++from.segment, from.record = 0) {
        auto in = segment(from.segment);
        if (!in) return in.error();
        if (*in == nullptr) continue;
        auto some = (*in)->count_lines(from.record, from.segment == to.segment ? to.record : (*in)->count(), choice);
        if (!some) return some.error();
        lines += *some;
    }
    return lines;
}

}  // namespace persistproc::logstore
