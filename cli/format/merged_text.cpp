#include "cli/format/merged_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cli/format/cells.hpp"
#include "cli/format/note.hpp"
#include "common/base/text.hpp"
#include "common/logstore/loss_text.hpp"

namespace persistproc::cli::format {

namespace {

constexpr std::size_t most_label_cells = 24, least_label_cells = 8;

/// Those that are easy to tell apart on light and on dark; red is left to programs.
constexpr int label_colours[] = {36, 33, 32, 35, 34, 96, 93, 92, 95, 94};

std::size_t label_cells(const TextStyle& style) {
    if (style.width <= 0) return most_label_cells;
    return std::clamp(static_cast<std::size_t>(style.width) / 4, least_label_cells, most_label_cells);
}

}  // namespace

void MergedText::add(const ProcessView& view) {
    owners_.push_back(Owner{.name = {view.id, {}}, .shown = {}, .style = style_.lines});
    owners_.back().style.process_id = view.id;
    owners_.back().style.other_sequences = sequences_of(view);
    rename(owners_.size() - 1, view.label);
}

void MergedText::rename(std::size_t source, const std::string& label) {
    Owner& owner = owners_[source];
    owner.name.label = label;
    if (style_.json && style_.has_names) owner.style.label = label;
    owner.shown = cut_middle(shown(label, style_.text), label_cells(style_.text), style_.text.mark());
    are_named_ = false;
}

void MergedText::name_owners() {
    are_named_ = true;
    if (!style_.has_names || style_.json) return;
    std::map<std::string, int> uses;
    for (const Owner& each : owners_) ++uses[each.shown];
    // Two labels may differ where they were cut.
    const auto name = [&](const Owner& each) { return uses[each.shown] > 1 ? each.name.id : each.shown; };
    std::size_t width = 0;
    for (const Owner& each : owners_) width = std::max(width, cells_of(name(each)));
    for (std::size_t i = 0; i < owners_.size(); ++i) {
        const std::string text = name(owners_[i]);
        const std::string padded = text + std::string(width - cells_of(text), ' ') + " |";
        owners_[i].style.before =
            style_.text.colour ? fmt::format("\x1b[{}m{}\x1b[0m ", label_colours[i % std::size(label_colours)], padded)
                               : padded + " ";
    }
}

void MergedText::take(const logstore::MergedEntry& entry, std::vector<Chunk>& out) {
    if (!are_named_) name_owners();
    Owner& owner = owners_[entry.source];
    if (entry.failed) {
        const std::string text = owner.name.id + ": " + entry.failed->message;
        out.push_back(style_.json ? Chunk{STDOUT_FILENO, error_json(Error{entry.failed->code, text})}
                                  : Chunk{STDERR_FILENO, note_text(text, style_.lines.note_columns)});
        return;
    }
    const logstore::Line& line = entry.entry.line;
    if (line.is_gap || line.event) return say_missing(owner, entry.entry, out);
    const auto last = std::exchange(owner.last_ordinal, line.ordinal);
    if (style_.has_borders && last != 0 && line.ordinal > last + 1)
        out.push_back(Chunk{STDOUT_FILENO, owner.style.before + std::string(context_border)});
    out.push_back(Chunk{STDOUT_FILENO, line_text(line, owner.style, style_.json)});
}

void MergedText::say_missing(const Owner& owner, const logstore::LogEntry& entry, std::vector<Chunk>& out) const {
    const auto text =
        entry.removed_bytes > 0 ? logstore::evicted_text(entry.removed_bytes) : logstore::loss_text(entry.line);
    if (!text) return;
    if (!style_.json) {
        const std::string name = style_.has_names ? owner.name.label + ": " : std::string();
        out.push_back(Chunk{STDERR_FILENO, note_text(name + *text, style_.lines.note_columns)});
        return;
    }
    const bool is_removed = entry.removed_bytes > 0 || entry.line.event == logstore::Event::removed;
    OwnerEvent event{.event = is_removed ? "removed" : "gap", .run = {}, .text = *text};
    event.bytes = entry.removed_bytes > 0 ? static_cast<std::int64_t>(entry.removed_bytes) : entry.line.value;
    out.push_back(Chunk{STDOUT_FILENO, owner_event_json(owner.name, event)});
}

}  // namespace persistproc::cli::format
