#include "daemon/core/newest_output.hpp"

#include "common/async/offload.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

Task<Result<logstore::Shown>> newest_output(boost::asio::thread_pool& readers, std::filesystem::path log,
                                            std::uint64_t lines, std::size_t bytes) {
    logstore::LineQuery query;
    query.last = lines;
    query.max_bytes = bytes;
    const auto options = logstore::take_budget(query, true);
    auto look = [log = std::move(log), query = std::move(query), options]() -> Result<logstore::Shown> {
        auto page = logstore::read_lines(log, query);
        if (!page) return page.error();
        return logstore::show(std::move(*page), options);
    };
    co_return co_await async::offload(readers, std::move(look));
}

}  // namespace persistproc::core
