#include "daemon/registry/ended_sessions.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.hpp"

namespace persistproc::registry {

namespace {

constexpr const char* file_name = "ended-sessions";

struct Lines {
    std::vector<std::string> newest;
    std::size_t count = 0;
    bool is_whole = true;  // the last line has its end
};

Lines lines_of(std::string_view text) {
    Lines out;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) {
            out.is_whole = false;
            break;
        }
        out.newest.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    out.count = out.newest.size();
    if (out.count > kept_ended_sessions)
        out.newest.erase(out.newest.begin(), out.newest.end() - static_cast<std::ptrdiff_t>(kept_ended_sessions));
    return out;
}

}  // namespace

Result<EndedSessions> EndedSessions::open(const std::filesystem::path& directory) {
    EndedSessions sessions(directory / file_name);
    const auto text = base::read_own_file(sessions.file_);
    if (!text && text.error().code == ErrorCode::not_found) return sessions;
    if (!text) return text.error();
    Lines lines = lines_of(*text);
    sessions.found_ = std::move(lines.newest);
    sessions.lines_ = lines.count;
    if (!lines.is_whole) sessions.torn_at_ = static_cast<off_t>(text->rfind('\n') + 1);
    return sessions;
}

Result<void> EndedSessions::append(const std::vector<std::string>& ids) {
    auto file = base::open_file(file_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW);
    if (!file) return file.error();
    // What is appended must not become one line with a torn one.
    if (torn_at_ && ::ftruncate(file->get(), *torn_at_) != 0) return base::os_failure(file_.string(), errno);
    torn_at_.reset();
    struct stat before {};
    if (::fstat(file->get(), &before) != 0) return base::os_failure(file_.string(), errno);
    std::string text;
    for (const auto& id : ids) {
        text += id;
        text += '\n';
    }
    int failed = base::write_all(file->get(), text);
    if (failed != 0) {
        // Half a line would swallow the next one.
        if (::ftruncate(file->get(), before.st_size) != 0) failed = errno;
        return base::os_failure(file_.string(), failed);
    }
    lines_ += ids.size();
    if (lines_ <= 2 * kept_ended_sessions) return boost::system::in_place_value;
    return rewrite();
}

Result<void> EndedSessions::rewrite() {
    const auto text = base::read_own_file(file_);
    if (!text) return text.error();
    const Lines lines = lines_of(*text);
    std::string kept;
    for (const auto& id : lines.newest) {
        kept += id;
        kept += '\n';
    }
    lines_ = lines.newest.size();
    return base::atomic_write(file_, kept);
}

}  // namespace persistproc::registry
