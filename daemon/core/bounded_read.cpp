#include "daemon/core/bounded_read.hpp"

#include "common/async/offload.hpp"
#include "common/base/thread_priority.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::core {

Task<Result<logstore::LinePage>> read_bounded(boost::asio::thread_pool& threads, ReadBounds bounds,
                                              std::filesystem::path log, logstore::LineQuery query) {
    auto look = [bounds, log = std::move(log), query = std::move(query)](std::stop_token stop) {
        // Whoever searches a large log takes what others leave: the io thread, samples and programs go first.
        if (bounds.gives_way) base::give_way();
        logstore::ReadBudget budget;
        budget.bytes = bounds.bytes;
        budget.is_over = [begin = std::chrono::steady_clock::now(), &bounds] {
            return std::chrono::steady_clock::now() - begin >= bounds.time();
        };
        budget.stop = std::move(stop);
        auto page = logstore::read_lines(log, query, budget);
        if (!page || !page->lines.empty()) return page;
        // <data>/procs/<id>/log
        const auto there = rundir::check_present(log.parent_path().parent_path().parent_path());
        return there ? std::move(page) : Result<logstore::LinePage>(there.error());
    };
    co_return co_await async::offload_stoppable(threads, std::move(look));
}

}  // namespace persistproc::core
