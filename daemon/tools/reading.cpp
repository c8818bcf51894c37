#include "daemon/tools/reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "common/async/offload.hpp"
#include "common/async/turns.hpp"
#include "common/base/thread_priority.hpp"

namespace persistproc::tools {

namespace {

constexpr std::size_t large_answer_bytes = 64u << 10;
constexpr std::size_t large_bytes = 16u << 10;  // some tenths of a millisecond's work
constexpr std::size_t bytes_a_line = 64;        // what it costs beside its bytes
constexpr std::uint64_t looked_at_bytes = 512u << 20;
constexpr std::chrono::nanoseconds shortest_look = std::chrono::milliseconds(100);
// For the turn of a large answer; clients give up on a call after a minute.
constexpr std::chrono::seconds longest_wait{30};

mcp::ToolResult refused(const char* what) {
    return mcp::tool_failure(
        {ErrorCode::limit, std::string("too many ") + what + " wait for their turn; try again when some have ended"});
}

mcp::ToolResult too_late() {
    return mcp::tool_failure(
        {ErrorCode::limit,
         fmt::format("other reads of more than 64 KiB did not end within {} s; ask for max_bytes of {} at most, which "
                     "need not wait for them, or try again",
                     longest_wait.count(), large_answer_bytes)});
}

bool is_large(const Result<logstore::LinePage>& page) {
    std::size_t bytes = 0;
    if (page)
        for (const auto& line : page->lines) bytes += line.text.size() + bytes_a_line;
    return bytes > large_bytes;
}

}  // namespace

core::ReadBounds bounds_beside(const core::Workers& workers) {
    auto time = [searches = workers.searches.waiting_count(), large = workers.large_answers.waiting_count()] {
        const auto all = static_cast<std::int64_t>(*searches + *large + 1);
        return std::clamp<std::chrono::nanoseconds>(longest_look / all, shortest_look, longest_look);
    };
    return {looked_at_bytes, std::move(time)};
}

Task<pid_t> process_of(const core::SocketOwners& owners, mcp::Principal principal) {
    if (principal.process != 0 || principal.socket == 0) co_return principal.process;
    const pid_t found = co_await owners.find(principal.socket);
    co_return found == 0 ? mcp::untold_process : found;
}

Task<core::Asker> asker_of(Backend backend, mcp::Principal principal, bool is_crowded) {
    core::Asker out;
    out.party = principal.party;
    out.is_person = principal.audience() == mcp::Audience::client;
    pid_t process = principal.process;
    if (!out.is_person && is_crowded) process = co_await process_of(backend.socket_owners, principal);
    out.process = static_cast<async::Turns::Group>(process);
    co_return out;
}

Task<mcp::ToolResult> answer_with_lines(Backend backend, mcp::CallContext context, std::filesystem::path log,
                                        logstore::LineQuery query, std::size_t shown_bytes,
                                        std::function<mcp::ToolResult(Result<logstore::LinePage>)> make) {
    const bool is_agent = context.principal.audience() == mcp::Audience::agent;
    const bool is_search = query.grep.has_value();
    const bool is_large_answer = shown_bytes > large_answer_bytes;
    core::Workers& workers = backend.workers;
    const mcp::Principal principal = context.principal;
    context.give_place_back();
    auto& line = is_search ? workers.searches : workers.reads;
    const bool is_crowded = (is_large_answer && workers.large_answers.is_crowded()) || line.is_crowded();
    const core::Asker who = co_await asker_of(backend, principal, is_crowded);
    async::Place large(workers.large_answers, who.party, who.process);
    if (is_agent && is_large_answer) {
        const MonoTime until = backend.clock.now() + longest_wait;
        const auto given = co_await large.wait(until, backend.clock);
        if (given == async::Place::Given::too_many) co_return refused("reads of more than 64 KiB (max_bytes)");
        if (given == async::Place::Given::too_late) co_return too_late();
    }
    async::Place place(line, who.party, who.process);
    if (is_agent && (is_search || !is_large_answer)) {
        const bool has_place = co_await place.wait();
        if (!has_place) co_return refused(is_search ? "searches" : "reads");
    }
    const core::ReadBounds bounds = bounds_beside(workers);
    auto& threads = is_search ? workers.searching : workers.reading;
    auto page = co_await core::read_bounded(threads, bounds, std::move(log), std::move(query));
    // A pattern is compiled again for what is shown.
    if (!is_large(page) && !is_search) co_return make(std::move(page));
    auto render = [make = std::move(make), page = std::move(page)]() mutable {
        base::give_way();
        // The lines are not needed beside what is made of them.
        auto result = make(std::move(page));
        return mcp::render(std::move(result));
    };
    co_return co_await async::offload(threads, std::move(render));
}

}  // namespace persistproc::tools
