#pragma once
/// Sessions of the HTTP transport that clients have ended: they stay dead for the daemons to come. Their ids stand in
/// `<directory>/ended-sessions`, one a line, oldest first: a small file of its own, so that they are known before the
/// database is open. A line without its end (a crash tore it) is none.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::registry {

inline constexpr std::size_t kept_ended_sessions = 4096;

class EndedSessions {
public:
    /// Reads the file; none is made before there is an id to write. Blocks on the disk. Errors: io.
    static Result<EndedSessions> open(const std::filesystem::path& directory);

    /// What `open` found, oldest first; at most `kept_ended_sessions`.
    const std::vector<std::string>& found() const noexcept { return found_; }
    const std::filesystem::path& file() const noexcept { return file_; }

    /// Written when it returns; to make it durable is the caller's (`file`, and the directory). The newest
    /// `kept_ended_sessions` are kept; older ones go in bulk, now and then. One call at a time, on any thread; blocks
    /// on the disk. Errors: io; none of `ids` is recorded then.
    Result<void> append(const std::vector<std::string>& ids);

private:
    explicit EndedSessions(std::filesystem::path file) : file_(std::move(file)) {}
    Result<void> rewrite();
    std::filesystem::path file_;
    std::vector<std::string> found_;
    std::size_t lines_ = 0;
    std::optional<off_t> torn_at_;  // where the last line begins, which has no end
};

}  // namespace persistproc::registry
