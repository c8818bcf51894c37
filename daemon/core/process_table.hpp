#pragma once
/// Which processes there are, and which of them a name means. Knows nothing of what they do. One executor, one thread.
#include <map>

#include "daemon/core/process.hpp"
#include "daemon/core/targets.hpp"

namespace persistproc::core {

/// How a start names the process it means: by label where one is given, else by command and directory.
struct Identity {
    Definition definition;  // with its default label where none is given
    bool is_same_command(const Definition& other) const {
        return definition.command == other.command && definition.shell == other.shell &&
               definition.working_directory == other.working_directory;
    }
};

class ProcessTable {
public:
    using Map = std::map<ProcessId, ProcessPtr>;

    explicit ProcessTable(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    ProcessPtr find(ProcessId id) const;
    /// Whether it is one of these still: whoever has waited asks again.
    bool holds(const Process& process) const;
    /// The process a target names. Errors: not_found, ambiguous, invalid.
    Result<ProcessPtr> resolve(const std::string& target) const;
    /// The process a start means, which is to replace it where that runs, or to join it; nothing: none is there yet.
    /// Errors: conflict (a live label with another command).
    Result<ProcessPtr> find_meant(const Identity& identity, bool replaces) const;

    /// In quotes: web-2 for "web", web-3 for "web-2"; where that would be no label "another label".
    std::string free_label(std::string_view taken) const;

    /// Makes one, provisional. A default label that is taken gets the id behind it. Errors: limit (no id is left).
    Result<ProcessPtr> create(Definition definition, WallTime now);
    /// Takes in one that was there before.
    ProcessPtr insert(ProcessRecord record);
    /// Puts its id behind its label where another process has the same. True: it did.
    bool tell_apart(Process& process) const;
    void erase(const Process& process) { processes_.erase(process.record.id); }
    /// Ids below it are not used again.
    void reserve(std::uint32_t next) { next_ = std::max(next_, next); }

    const Map& all() const noexcept { return processes_; }
    std::size_t size() const noexcept { return processes_.size(); }

private:
    /// Whose it is, and a label that is free. `replaces`: it was asked to be replaced, as one with the same command is.
    Error label_taken(const Process& holder, const Definition& asked, bool replaces) const;

    boost::asio::any_io_executor executor_;
    Map processes_;
    std::uint32_t next_ = 1;
};

}  // namespace persistproc::core
