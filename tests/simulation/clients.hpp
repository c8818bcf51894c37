#pragma once
/// Who asks the daemon for what, several at once; some give up, some lose their daemon. Every answer goes to the judge.
#include <boost/asio/cancellation_signal.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/core/supervisor.hpp"
#include "tests/simulation/timeline.hpp"

namespace persistproc::simulation {

struct World;

enum class Asking { start, stop, restart, signal, remove, list, wait, leave, up, down };
const char* to_text(Asking what);

struct Request {
    std::uint64_t serial = 0;
    Asking what = Asking::list;
    int daemon = 0;
    ProcessId target;         // not of a start, list or leave
    ops::StartRequest start;  // of a start
    bool force = false;       // stop, restart; of a leave: keep
    std::optional<double> grace;
    std::uint32_t run = 0;        // of the target when it was asked; of a wait, whose end is waited for
    std::set<std::string> names;  // of up and down; none: all
    unsigned version = 0;         // of the project's file, of an up
    MonoTime asked{};
    MonoTime given_up_by{};

    enum class State { pending, answered, given_up, cut_off } state = State::pending;
    MonoTime ended{};  // valid unless pending
    bool ok = false;
    ErrorCode code = ErrorCode::invalid;

    /// Whether its effect may come at `at`: not before it was asked, nor after it was answered for good.
    bool covers(MonoTime at) const;
    std::string actor() const { return "c" + std::to_string(serial); }
    std::string text() const;
    boost::asio::cancellation_signal cancel;
};
using RequestPtr = std::shared_ptr<Request>;

class Clients {
public:
    explicit Clients(World& world) : world_(world) {}

    void ask_something();
    void ask_about_project();
    void ask_to_stop(ProcessId id);
    void ask_to_remove(ProcessId id);
    void ask_to_leave(bool keep);
    /// One that is not interested any more.
    void give_up_one();
    void daemon_died(int daemon);

    std::size_t pending() const;
    bool is_leaving() const;
    const std::vector<RequestPtr>& all() const noexcept { return all_; }
    /// Those without an answer, for whom somebody still waits.
    std::vector<RequestPtr> waiting() const;

private:
    RequestPtr make(Asking what);
    void ask(const RequestPtr& request);
    Task<> perform(RequestPtr request);
    void answer(const RequestPtr& request, std::optional<Error> failed);
    static void forget_old(std::vector<RequestPtr>& all, MonoTime now);
    std::optional<ProcessId> any_process();

    World& world_;
    std::vector<RequestPtr> all_;
    std::uint64_t asked_ = 0;
    unsigned version_ = 0;  // of the project's file
};

}  // namespace persistproc::simulation
