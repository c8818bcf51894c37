#include "common/mcp/tasks.hpp"

#include <fmt/format.h>

#include <array>

#include "common/base/random.hpp"
#include "common/mcp/base64.hpp"

namespace persistproc::mcp {

namespace {

constexpr std::size_t id_bytes = 16;

std::string make_id() {
    std::array<std::uint8_t, id_bytes> bytes;
    base::fill_random(bytes);
    return base64url_encode(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

std::string TaskRecord::members(bool whole) const {
    constexpr std::string_view words[] = {"working", "input_required", "completed", "failed", "cancelled"};
    std::string out = fmt::format(
        R"("taskId":"{}","status":"{}","createdAt":"{}","lastUpdatedAt":"{}","ttlMs":{},"pollIntervalMs":{})", id_,
        words[static_cast<std::size_t>(status_)], base::format_rfc3339(created_), base::format_rfc3339(updated_),
        terms_.ttl.count(), terms_.poll_interval.count());
    if (!whole) return out;
    if (status_ == Status::input_required) out += R"(,"inputRequests":)" + json_text(asked_);
    if (status_ == Status::completed) out += R"(,"result":)" + result_;
    if (status_ == Status::failed) out += R"(,"error":)" + error_;
    return out;
}

void TaskRecord::end(Status status, WallTime now) {
    status_ = status;
    updated_ = now;
    asked_.clear();
    on_cancel = nullptr;
    answered_.notify_all();
}

void TaskRecord::complete(std::string result, WallTime now) {
    if (is_final()) return;
    result_ = std::move(result);
    end(Status::completed, now);
}

void TaskRecord::fail(std::string error, WallTime now) {
    if (is_final()) return;
    error_ = std::move(error);
    end(Status::failed, now);
}

void TaskRecord::cancel(WallTime now) {
    if (is_final()) return;
    const auto tell = std::move(on_cancel);
    end(Status::cancelled, now);
    if (tell) tell();
}

void TaskRecord::withdraw(const std::vector<std::string>& keys) {
    for (const auto& key : keys) {
        asked_.erase(key);
        answers_.erase(key);
    }
    if (status_ == Status::input_required && asked_.empty()) status_ = Status::working;
}

Task<Result<Json>> TaskRecord::ask(Json requests, async::Clock& clock) {
    if (is_final()) co_return Error{ErrorCode::unavailable, "the task has ended"};
    std::vector<std::string> keys;
    // However the wait ends, nothing of it stays asked.
    struct Withdraw {
        TaskRecord& task;
        std::vector<std::string>& keys;
        ~Withdraw() { task.withdraw(keys); }
    };
    const Withdraw withdrawn{*this, keys};
    for (auto& [key, request] : requests.items()) {
        keys.push_back(key);
        asked_[key] = std::move(request);
        answers_.erase(key);
    }
    status_ = Status::input_required;
    updated_ = clock.wall();
    const auto is_open = [this, &keys] {
        for (const auto& key : keys)
            if (!answers_.contains(key)) return true;
        return false;
    };
    while (!is_final() && is_open()) co_await answered_.wait();
    if (is_final()) co_return Error{ErrorCode::unavailable, "the task has ended"};
    Json out = Json::object();
    for (const auto& key : keys) out[key] = std::move(answers_[key]);
    co_return Result<Json>(boost::system::in_place_value, std::move(out));
}

void TaskRecord::answer(const Json& responses, WallTime now) {
    if (is_final() || !responses.is_object()) return;
    for (const auto& [key, value] : responses.items()) {
        if (!asked_.contains(key) || !value.is_object()) continue;
        answers_[key] = value;
        asked_.erase(key);
        updated_ = now;
    }
    if (asked_.empty()) status_ = Status::working;
    answered_.notify_all();
}

void Tasks::drop_expired() {
    const auto now = clock_.now();
    std::vector<std::shared_ptr<TaskRecord>> expired;
    for (auto each = by_id_.begin(); each != by_id_.end();) {
        if (each->second.until > now) {
            ++each;
            continue;
        }
        expired.push_back(std::move(each->second.task));
        each = by_id_.erase(each);
    }
    for (const auto& task : expired) task->cancel(clock_.wall());
}

std::shared_ptr<TaskRecord> Tasks::make(TaskTerms terms) {
    drop_expired();
    if (by_id_.size() >= limit_) return nullptr;
    auto task = std::make_shared<TaskRecord>(executor_, make_id(), terms, clock_.wall());
    by_id_.emplace(task->id(), Kept{task, clock_.now() + terms.ttl});
    return task;
}

std::shared_ptr<TaskRecord> Tasks::find(const std::string& id) {
    drop_expired();
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.task;
}

}  // namespace persistproc::mcp
