#include "daemon/tools/reading.hpp"

#include "common/async/offload.hpp"
#include "common/async/turns.hpp"
#include "common/base/thread_priority.hpp"
#include "daemon/core/bounded_read.hpp"

namespace persistproc::tools {

namespace {

constexpr std::size_t large_bytes = 32u << 10;  // some tenth of a millisecond's work

}  // namespace

Task<Result<logstore::LinePage>> read_within_budget(core::Workers& workers, mcp::Principal principal,
                                                    std::filesystem::path log, logstore::LineQuery query) {
    const bool is_search = query.grep.has_value();
    async::Place place(workers.searches, principal.party);
    if (is_search) {
        const bool has_place = co_await place.wait();
        if (!has_place)
            co_return Error{ErrorCode::limit, "too many searches of yours wait; try again when some have ended"};
    }
    auto& threads = is_search ? workers.searching : workers.reading;
    co_return co_await core::read_bounded(threads, one_read, std::move(log), std::move(query));
}

bool is_large(const logstore::LinePage& page) {
    std::size_t bytes = 0;
    for (const auto& line : page.lines) bytes += line.text.size();
    return bytes > large_bytes;
}

Task<mcp::ToolResult> render_elsewhere(core::Workers& workers, std::function<mcp::ToolResult()> make) {
    auto render = [make = std::move(make)] {
        base::give_way();
        return mcp::render(make());
    };
    co_return co_await async::offload(workers.reading, std::move(render));
}

}  // namespace persistproc::tools
