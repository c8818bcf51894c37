#include "daemon/tools/reading.hpp"

#include "common/async/offload.hpp"

namespace persistproc::tools {

Task<Result<logstore::LinePage>> read_within_budget(core::Workers& workers, mcp::Principal principal,
                                                    std::filesystem::path log, logstore::LineQuery query) {
    const bool is_search = query.grep.has_value();
    async::Place place(workers.searches, principal.party);
    if (is_search) {
        const bool has_place = co_await place.wait();
        if (!has_place)
            co_return Error{ErrorCode::unavailable, "too many searches of yours wait; try again when some have ended"};
    }
    // The time in the queue is not counted: it was no looking.
    auto read = [log = std::move(log), query = std::move(query)](std::stop_token stop) {
        logstore::ReadBudget budget;
        budget.bytes = most_read_bytes;
        budget.until = std::chrono::steady_clock::now() + longest_read;
        budget.stop = std::move(stop);
        return logstore::read_lines(log, query, budget);
    };
    auto& threads = is_search ? workers.searching : workers.reading;
    co_return co_await async::offload_stoppable(threads, std::move(read));
}

}  // namespace persistproc::tools
