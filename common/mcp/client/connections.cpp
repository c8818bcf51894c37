#include "common/mcp/client/connections.hpp"

#include <algorithm>

namespace persistproc::mcp::client {

namespace {

constexpr std::size_t max_idle = 4;
constexpr std::chrono::milliseconds first_pause{5};
constexpr std::chrono::milliseconds longest_pause{200};

}  // namespace

Connections::Connections(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial, async::Clock& clock)
    : executor_(std::move(executor)), endpoint_(std::move(endpoint)), dial_(std::move(dial)), clock_(clock) {}

Connections::Lease::Lease(Connections* owner, std::shared_ptr<Wire> wire) : owner_(owner), wire_(std::move(wire)) {
    owner_->busy_.insert(wire_);
}

Connections::Lease::~Lease() {
    if (!wire_) return;
    owner_->busy_.erase(wire_);
    wire_->close();
}

void Connections::Lease::give_back() {
    if (!wire_->can_stay() || owner_->closed_ || owner_->idle_.size() >= max_idle) return;
    owner_->busy_.erase(wire_);
    owner_->idle_.push_back(std::move(wire_));
}

Task<Result<Connections::Lease>> Connections::open(std::chrono::nanoseconds patience) {
    while (!closed_ && !idle_.empty()) {
        auto wire = std::move(idle_.back());
        idle_.pop_back();
        if (!wire->is_stale()) co_return Lease(this, std::move(wire));
    }
    const MonoTime give_up = clock_.now() + patience;
    std::chrono::nanoseconds pause = first_pause;
    while (!closed_) {
        auto dialing = dial_();
        auto fd = co_await std::move(dialing);
        if (closed_) break;
        if (fd) co_return Lease(this, std::make_shared<Wire>(executor_, std::move(*fd), endpoint_.peer));
        const MonoTime next = clock_.now() + pause;
        if (fd.error().code != ErrorCode::unavailable || next > give_up) co_return fd.error();
        co_await clock_.sleep_until(next);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, longest_pause);
    }
    co_return Error{ErrorCode::unavailable, "this client was closed"};
}

void Connections::drop_idle() {
    for (const auto& wire : idle_) wire->close();
    idle_.clear();
}

void Connections::close() {
    closed_ = true;
    drop_idle();
    for (const auto& wire : busy_) wire->close();
}

}  // namespace persistproc::mcp::client
