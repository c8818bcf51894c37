#include <algorithm>

#include "common/logstore/reader.hpp"
#include "common/logstore/segment.hpp"
#include "common/logstore/snapshot.hpp"

namespace persistproc::logstore {

namespace fs = std::filesystem;

struct Follower::Impl {
    fs::path directory;
    std::optional<std::uint64_t> from;
    std::uint64_t position = 0;
    std::optional<Segment> segment;
    std::uint64_t next_record = 0;
    NamesStamp names;                           // of those that were listed last
    std::optional<std::uint32_t> first_number;  // of the segment that holds the start, where that is known
    std::int64_t gap_value = 0;  // of the record before `next_record`, when that is a gap: it may still grow

    /// The segment that holds the start, where that is known and it is still there.
    bool open_first() {
        if (!first_number) return false;
        auto opened = Segment::open(directory, *std::exchange(first_number, std::nullopt));
        if (!opened || !*opened) return false;
        segment = std::move(**opened);
        return true;
    }
    Result<void> look_for_first() {
        names = NamesStamp::of(directory);
        auto numbers = list_segments(directory);
        if (!numbers) return numbers.error();
        // The newest that does not begin after the start; else the oldest there is.
        for (auto number = numbers->rbegin(); number != numbers->rend(); ++number) {
            auto opened = Segment::open(directory, *number);
            const bool is_newest = number == numbers->rbegin();
            if (!opened && opened.error().code == ErrorCode::corrupt && !is_newest) continue;
            if (!opened) return opened.error();
            if (!*opened) continue;
            segment = std::move(**opened);
            if (from && segment->first_position() <= *from) break;
        }
        return {};
    }

    /// Opens the segment that holds the start. True when there is one.
    Result<bool> begin(std::vector<Item>& items) {
        if (!open_first()) {
            if (auto looked = look_for_first(); !looked) return looked.error();
        }
        if (!segment) return false;
        const std::uint64_t oldest = segment->first_position();
        if (from && *from < oldest) items.push_back(missing(oldest - *from, true));
        position = from ? std::max(*from, oldest) : oldest;
        if (auto found = skip_to_position(); !found) return found.error();
        return true;
    }

    /// First record that goes past `position`, or stands there without bytes.
    Result<void> skip_to_position() {
        std::uint64_t low = 0, high = segment->count();
        while (low < high) {
            const std::uint64_t middle = low + (high - low) / 2;
            std::uint64_t probe = middle;
            std::optional<IndexRecord> record;
            for (; probe < high && !record; ++probe) {
                auto one = segment->record(probe);
                if (!one) return one.error();
                record = *one;
            }
            const std::uint64_t at = record ? segment->position_of(*record) : 0;
            if (record && (record->length == 0 ? at < position : at + record->length <= position))
                low = probe;
            else
                high = middle;
        }
        next_record = low;
        return {};
    }

    Item missing(std::uint64_t bytes, bool evicted) const {
        Item item;
        item.position = position;
        if (evicted) {
            item.evicted_bytes = bytes;
        } else {
            item.flags = gap;
            item.value = static_cast<std::int64_t>(bytes);
        }
        return item;
    }

    /// What was dropped since the gap at the end was last looked at.
    Result<void> grow_gap(std::vector<Item>& items) {
        if (gap_value == 0 || next_record == 0) return {};
        auto record = segment->record_again(next_record - 1);
        if (!record) return record.error();
        if (*record && (*record)->value > gap_value) {
            items.push_back(missing(static_cast<std::uint64_t>((*record)->value - gap_value), false));
            items.back().run = (*record)->run;
            gap_value = (*record)->value;
        }
        return {};
    }

    /// Items of the segment's snapshot; stops when `budget` is spent.
    Result<void> take_records(std::vector<Item>& items, std::size_t& budget) {
        for (; next_record < segment->count() && budget > 0; ++next_record) {
            auto found = segment->record(next_record);
            if (!found) return found.error();
            if (!*found) continue;
            const IndexRecord& record = **found;
            std::uint64_t at = segment->position_of(record);
            auto bytes = segment->data(record.offset, record.length);
            gap_value = (record.flags & gap) != 0 ? record.value : 0;
            if (!bytes) {
                // What the device does not give back is as lost as what it did not take.
                items.push_back(missing(record.length, bytes.error().code == ErrorCode::not_found));
                items.back().run = record.run;
                position = std::max(position, at + record.length);
                budget -= std::min(budget, sizeof(IndexRecord));
                continue;
            }
            std::string_view rest = *bytes;
            if (at < position) {
                const std::uint64_t cut = std::min<std::uint64_t>(position - at, rest.size());
                rest.remove_prefix(cut);
                at += cut;
                if (rest.empty() && record.length > 0) continue;
            } else if (at > position) {
                items.push_back(missing(at - position, false));
                items.back().run = record.run;
            }
            Item item;
            item.bytes = rest;
            item.stream = record.stream;
            item.flags = record.flags;
            item.event = record.event;
            item.value = record.value;
            item.run = record.run;
            item.wall_ns = record.wall_ns;
            item.position = at;
            items.push_back(std::move(item));
            position = std::max(position, at + rest.size());
            budget -= std::min(budget, rest.size() + sizeof(IndexRecord));
        }
        return {};
    }

    /// Goes to the segment after this one when there is one. True when it did.
    Result<bool> next_segment(std::vector<Item>& items, std::size_t& budget) {
        const std::uint32_t number = segment->number() + 1;
        auto opened = Segment::open(directory, number);
        const bool is_damaged = !opened && opened.error().code == ErrorCode::corrupt;
        if (!opened && !is_damaged) return opened.error();
        if (is_damaged || !*opened) {
            // The bound overtook us, or somebody removed or damaged it: what is left begins later.
            const NamesStamp now = NamesStamp::of(directory);
            if (!is_damaged && now.is_same(names)) return false;
            names = now;
            auto numbers = list_segments(directory);
            if (!numbers) return numbers.error();
            const auto later = std::upper_bound(numbers->begin(), numbers->end(), number);
            if (later == numbers->end()) {
                if (is_damaged) return opened.error();
                return false;
            }
            // They are made in order: one that is there only now must not be passed over.
            if (!is_damaged) opened = Segment::open(directory, number);
            if (is_damaged || (opened && !*opened)) opened = Segment::open(directory, *later);
            if (!opened) return opened.error();
        }
        if (!*opened) return false;
        // The writer may have added to this segment after we looked and before it began the next.
        if (auto done = segment->refresh(); !done) return done.error();
        if (auto done = grow_gap(items); !done) return done.error();
        if (auto done = take_records(items, budget); !done) return done.error();
        if (next_record < segment->count()) return false;
        const std::uint64_t begin = (*opened)->first_position();
        if (begin > position) {
            items.push_back(missing(begin - position, (*opened)->number() != number));
            position = begin;
        }
        segment = std::move(**opened);
        next_record = 0;
        gap_value = 0;
        return true;
    }
};

Follower::Follower(fs::path log_directory, std::optional<std::uint64_t> from) : impl_(std::make_unique<Impl>()) {
    impl_->directory = std::move(log_directory);
    impl_->from = from;
    impl_->position = from.value_or(0);
}
Result<Follower> Follower::behind(LogView& log, std::uint64_t from) {
    Snapshot& known = *log.log_;
    Follower out(known.directory(), from);
    out.impl_->names = known.names();
    if (known.empty()) return out;
    auto place = known.find_position(from);
    if (!place) return place.error();
    out.impl_->first_number = known.segment_number(std::min(place->segment, known.segment_count() - 1));
    return out;
}
Follower::~Follower() = default;
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;

std::uint64_t Follower::position() const noexcept { return impl_->position; }

Result<std::vector<Follower::Item>> Follower::read_more(std::size_t max_bytes) {
    std::vector<Item> items;
    std::size_t budget = std::max<std::size_t>(max_bytes, 1);
    if (!impl_->segment) {
        auto begun = impl_->begin(items);
        if (!begun) return begun.error();
        if (!*begun) return items;
    } else if (auto done = impl_->segment->refresh(); !done) {
        return done.error();
    }
    if (auto done = impl_->grow_gap(items); !done) return done.error();
    while (true) {
        if (auto done = impl_->take_records(items, budget); !done) return done.error();
        if (budget == 0) return items;
        auto moved = impl_->next_segment(items, budget);
        if (!moved) return moved.error();
        if (!*moved) return items;
    }
}

}  // namespace persistproc::logstore
