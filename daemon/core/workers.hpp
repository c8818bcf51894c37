#pragma once
#include <boost/asio/thread_pool.hpp>

#include "common/async/turns.hpp"

namespace persistproc::core {

/// Threads for what takes long. Each kind has its own: who searches a large log keeps nobody from reading, waiting or
/// listing.
struct Workers {
    static constexpr std::size_t search_places = 4;  // and threads for them: none at work waits for another

    boost::asio::thread_pool reading{2};
    boost::asio::thread_pool searching{search_places};  // by patterns from outside
    // Agents read and search in turn, in lines that are bounded as a whole: sessions cost nothing.
    async::Turns reads{{.places = 2, .per_party = 1, .waiting_per_party = 16, .waiting = 256}};
    /// A search takes up to two seconds, and RE2 cannot be interrupted: among those at work the kernel shares the
    /// processors, and a process that has places leaves some to others.
    async::Turns searches{
        {.places = search_places, .per_party = 1, .per_group = 2, .waiting_per_party = 16, .waiting = 64}};
    /// One at a time, and none while answers that were not taken fill their room.
    async::Turns large_answers{{.places = 1, .per_party = 1, .waiting_per_party = 16, .waiting = 32}};
    boost::asio::thread_pool waiting{2};    // what waits look at, and is short: none gives way
    boost::asio::thread_pool looking{2};    // for what they wait for in output, and to compile that: in turn
                                            // (`PatternWatches`)
    boost::asio::thread_pool rendering{1};  // long answers
};

}  // namespace persistproc::core
