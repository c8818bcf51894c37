#pragma once
/// Tasks of the extension io.modelcontextprotocol/tasks: what `tasks/get` shows, and what waits for `tasks/update`.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/base/time.hpp"
#include "common/mcp/call.hpp"

namespace persistproc::mcp {

class TaskRecord {
public:
    TaskRecord(boost::asio::any_io_executor executor, std::string id, TaskTerms terms, WallTime now)
        : id_(std::move(id)), terms_(terms), created_(now), updated_(now), answered_(std::move(executor)) {}

    const std::string& id() const noexcept { return id_; }
    bool is_final() const noexcept { return status_ != Status::working && status_ != Status::input_required; }
    /// Members of the task object as JSON text; `whole`: with input requests, result or error.
    std::string members(bool whole) const;

    /// `result` is the JSON text of an object, `error` too. Final states stay.
    void complete(std::string result, WallTime now);
    void fail(std::string error, WallTime now);
    /// Ends it; what runs for it is told by `on_cancel`.
    void cancel(WallTime now);
    std::function<void()> on_cancel;

    /// Puts questions (key → {"method", "params"}) and completes when all are answered: key → result. A key that is
    /// asked already is asked anew. Errors: unavailable (the task has ended). Cancelling withdraws them. The record
    /// must outlive the wait.
    Task<Result<Json>> ask(Json requests, async::Clock& clock);
    /// Takes answers to what is asked; unknown keys and values that are no objects are ignored.
    void answer(const Json& responses, WallTime now);

private:
    enum class Status { working, input_required, completed, failed, cancelled };
    void end(Status status, WallTime now);
    void withdraw(const std::vector<std::string>& keys);

    std::string id_;
    TaskTerms terms_;
    WallTime created_, updated_;
    Status status_ = Status::working;
    std::string result_, error_;
    Json asked_ = Json::object();
    Json answers_ = Json::object();
    async::Notifier answered_;
};

/// The tasks of a server, bounded in number and by their time to live.
class Tasks {
public:
    Tasks(boost::asio::any_io_executor executor, async::Clock& clock, std::size_t limit)
        : executor_(std::move(executor)), clock_(clock), limit_(limit) {}

    /// Null when there are too many.
    std::shared_ptr<TaskRecord> make(TaskTerms terms);
    std::shared_ptr<TaskRecord> find(const std::string& id);
    std::size_t size() const noexcept { return by_id_.size(); }

private:
    struct Kept {
        std::shared_ptr<TaskRecord> task;
        MonoTime until;
    };
    void drop_expired();

    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    std::size_t limit_;
    std::map<std::string, Kept> by_id_;
};

}  // namespace persistproc::mcp
