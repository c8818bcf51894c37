#include "daemon/core/printed_errors.hpp"

#include <utility>

#include "common/async/offload.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

namespace {

constexpr std::uint64_t bytes_above = 4096;  // of a head: its place may stand there
constexpr std::size_t longest_block = 64u << 10;
constexpr std::uint64_t newest_lines = 400;

logstore::ErrorBlock find_block(const std::filesystem::path& log, const std::string& directory,
                                const logstore::Line& head, std::uint64_t from) {
    logstore::LineQuery query;
    query.from = head.position > from + bytes_above ? head.position - bytes_above : from;
    query.run = head.run;
    query.max_bytes = longest_block;
    auto page = logstore::read_lines(log, query);
    if (page) {
        // It begins somewhere within a line, unless the run begins later.
        if (*query.from > from && !page->lines.empty() && page->lines.front().position == *query.from)
            page->lines.erase(page->lines.begin());
        auto block = logstore::find_error(page->lines, directory, logstore::WhichError::first, head.position);
        if (block) return std::move(*block);
    }
    auto alone = logstore::find_error({head}, directory, logstore::WhichError::first);
    return alone ? std::move(*alone) : logstore::ErrorBlock{};
}

}  // namespace

Task<logstore::ErrorBlock> read_error(boost::asio::thread_pool& threads, std::filesystem::path log,
                                      std::string working_directory, logstore::Line head, std::uint64_t from) {
    auto look = [log = std::move(log), directory = std::move(working_directory), head = std::move(head), from] {
        return find_block(log, directory, head, from);
    };
    co_return co_await async::offload(threads, std::move(look));
}

Task<std::optional<logstore::ErrorBlock>> read_last_error(boost::asio::thread_pool& threads, std::filesystem::path log,
                                                          std::string working_directory, std::uint32_t run) {
    logstore::LineQuery query;
    query.run = run;
    query.last = newest_lines;
    query.max_bytes = longest_block;
    auto look = [log = std::move(log), directory = std::move(working_directory), query = std::move(query)] {
        const auto page = logstore::read_lines(log, query);
        if (!page) return std::optional<logstore::ErrorBlock>();
        return logstore::find_error(page->lines, directory, logstore::WhichError::last);
    };
    co_return co_await async::offload(threads, std::move(look));
}

}  // namespace persistproc::core
