#include "daemon/core/newest_output.hpp"

#include "common/async/offload.hpp"
#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

Task<Result<std::string>> newest_output(boost::asio::thread_pool& readers, std::filesystem::path log,
                                        std::uint64_t lines, std::size_t bytes) {
    logstore::LineQuery query;
    query.last = lines;
    query.max_bytes = bytes;
    auto look = [log = std::move(log), query = std::move(query)] { return logstore::read_lines(log, query); };
    auto page = co_await async::offload(readers, std::move(look));
    if (!page) co_return page.error();
    std::string text;
    for (const auto& line : page->lines) text += base::clean_output(line.text) + '\n';
    co_return text;
}

}  // namespace persistproc::core
