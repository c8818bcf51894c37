#pragma once
/// Output of several processes as it is shown together: each line behind the label of its process. Pure.
#include <string>
#include <vector>

#include "cli/format/json_text.hpp"
#include "cli/format/output_text.hpp"
#include "cli/format/text_style.hpp"
#include "common/domain/process.hpp"
#include "common/logstore/merge.hpp"

namespace persistproc::cli::format {

struct MergedStyle {
    OutputStyle lines;         // of each process, but for what names it
    TextStyle text;            // what labels are coloured and cut for
    bool json = false;         // objects, one a line
    bool has_names = true;     // false: there is one process alone
    bool has_borders = false;  // "--" between lines of one process that do not follow each other, as grep has it
};

class MergedText {
public:
    explicit MergedText(MergedStyle style) : style_(std::move(style)) {}

    /// The source that the merge has numbered next. Labels are aligned with one another: one that comes later may make
    /// room for itself from then on.
    void add(const ProcessView& view);
    /// The label of a source is another from now on.
    void rename(std::size_t source, const std::string& label);
    const OwnerName& owner(std::size_t source) const { return owners_[source].name; }

    /// An entry as bytes for stdout (lines, and all that is JSON) and stderr. Events are left to the caller, but for
    /// those that tell of a loss.
    void take(const logstore::MergedEntry& entry, std::vector<Chunk>& out);

private:
    struct Owner {
        OwnerName name;
        std::string shown;  // of the label
        OutputStyle style;
        std::uint64_t last_ordinal = 0;  // of the line that was shown last; 0: none was
    };
    /// What every line stands behind.
    void name_owners();
    void say_missing(const Owner& owner, const logstore::LogEntry& entry, std::vector<Chunk>& out) const;

    MergedStyle style_;
    std::vector<Owner> owners_;
    bool are_named_ = true;  // as they are to be
};

}  // namespace persistproc::cli::format
