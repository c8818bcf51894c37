#include "daemon/heap.hpp"

#include <malloc.h>

#include <chrono>
#include <cstddef>

#include "common/async/offload.hpp"

namespace persistproc::daemon {

namespace {

constexpr int large_bytes = 128 << 10;
// More than there are threads: one that gives way (base::give_way) and loses its turn while it holds an arena's lock
// would keep the others of that arena waiting, the io thread among them.
constexpr int arenas = 32;
constexpr auto pause = std::chrono::seconds(3);
constexpr std::size_t worth_trimming = 4u << 20;
constexpr std::size_t much = 32u << 20;  // in use: its owners will end, too

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
    if (is_trimming_) return;
    is_trimming_ = true;
    tasks_.spawn("heap", trim());
}

Task<> HeapTrimmer::close() { co_await tasks_.close(); }

Task<> HeapTrimmer::trim() {
    std::size_t in_use = much;
    while (in_use >= much) {
        const MonoTime next = clock_.now() + pause;
        co_await clock_.sleep_until(next);
        in_use = co_await async::offload(threads_, &trim_heap);
    }
    is_trimming_ = false;
}

}  // namespace persistproc::daemon
