#include "daemon/heap.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "common/async/offload.hpp"

namespace persistproc::daemon {

namespace {

constexpr int large_bytes = 128 << 10;
// More than there are threads: one that gives way (base::give_way) and loses its turn while it holds an arena's lock
// would keep the others of that arena waiting, the io thread among them.
constexpr int arenas = 32;
constexpr std::chrono::seconds first_pause{3}, longest_pause{15};
// While much is in use its owners take and leave more all the time, and what they leave is not to pile up beside it.
constexpr std::chrono::seconds busy_pause{1};
constexpr std::size_t worth_trimming = 4u << 20;
constexpr std::size_t little = 8u << 20;  // in use: nobody is left who would leave much
constexpr std::size_t much = 32u << 20;
// What is kept for who may come back, as streams are for five minutes, goes without a word.
constexpr int most_looks = 24;

/// Bytes in use.
std::size_t trim_heap() {
    const auto facts = ::mallinfo2();
    if (facts.fordblks > worth_trimming) ::malloc_trim(0);
    return facts.uordblks + facts.hblkhd;
}

}  // namespace

void bound_heap() {
    ::mallopt(M_MMAP_THRESHOLD, large_bytes);
    ::mallopt(M_TRIM_THRESHOLD, large_bytes);
    ::mallopt(M_ARENA_MAX, arenas);
}

HeapTrimmer::HeapTrimmer(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& threads)
    : clock_(clock), threads_(threads), tasks_(std::move(executor)) {}

void HeapTrimmer::notice() {
    looks_ = 0;
    if (is_trimming_) return;
    is_trimming_ = true;
    tasks_.spawn("heap", trim());
}

Task<> HeapTrimmer::close() { co_await tasks_.close(); }

Task<> HeapTrimmer::trim() {
    auto pause = first_pause;
    for (looks_ = 0; looks_ < most_looks; ++looks_) {
        const MonoTime next = clock_.now() + pause;
        co_await clock_.sleep_until(next);
        const std::size_t in_use = co_await async::offload(threads_, &trim_heap);
        if (in_use < little) break;
        pause = in_use >= much ? busy_pause : std::min(2 * std::max(pause, first_pause), longest_pause);
    }
    is_trimming_ = false;
}

}  // namespace persistproc::daemon
