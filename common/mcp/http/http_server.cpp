#include "common/mcp/http/http_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <limits>
#include <list>
#include <tuple>
#include <unordered_map>

#include "common/async/notifier.hpp"
#include "common/mcp/http/connection.hpp"

namespace persistproc::mcp::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t first_read_bytes = 2u << 10;  // of each connection: a usual request whole
constexpr std::size_t reads_per_turn = 4;
constexpr std::chrono::milliseconds last_words{200};
// Younger than this a connection is about to send, or to be sent, something.
constexpr std::chrono::seconds settled{1};

/// The kernel gives the lowest number that is free (open(2)): how many are taken shows in it. INT_MAX: none is left.
int next_descriptor() noexcept {
    const int next = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (next < 0) return std::numeric_limits<int>::max();
    ::close(next);
    return next;
}

}  // namespace

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
    class Peer;

    State(Server& s, async::Clock& c, HttpOptions o, SessionGraveyard& graveyard)
        : server(s),
          clock(c),
          options(std::move(o)),
          sessions(options.session_key, options.limits, graveyard, c, options.find_process, options.is_there),
          timer(s.executor()),
          emptied(s.executor()) {}

    Server& server;
    async::Clock& clock;
    HttpOptions options;
    Sessions sessions;
    std::list<std::shared_ptr<Peer>> peers;
    asio::steady_timer timer;
    MonoTime timer_at = MonoTime::max();
    async::Notifier emptied;
    std::function<void()> on_room;
    bool closing = false;
    std::array<std::size_t, 2> places{};  // taken, by side
    std::array<std::size_t, 3> held{};    // bytes of requests and answers on their way, by role
    std::array<std::size_t, 2> unsent{};  // bytes of them that their peers have not taken, by side
    bool is_full = false;                 // of those of agents
    bool is_crowded = false;              // agents over TCP hold so much that it counts whose it is
    bool is_shedding = false;
    bool is_scarce = false;                             // places of agents: it counts whose each is
    std::unordered_map<pid_t, std::size_t> tcp_places;  // of those over TCP that are known, by process
    // What is more than a first read goes through one buffer for all: bytes leave it before the next read.
    std::array<char, read_bytes> buffer;

    void arm(MonoTime at);
    void tick();
    pid_t find_greediest() const;
    std::size_t make_room(Audience side, pid_t process, std::size_t wanted);
    std::shared_ptr<Peer> find_newest_stream(Audience side) const;
    void drop(const std::shared_ptr<Peer>& peer);
    void shed(Principal::Role role);
    void look_whether_crowded();
    void look_whether_scarce();
    void look_whether_full();
    static std::size_t index(Audience side) noexcept { return side == Audience::client ? 1 : 0; }
    static std::size_t index(Principal::Role role) noexcept { return static_cast<std::size_t>(role); }
    void drop_all();
    void close_peer(const std::shared_ptr<Peer>& peer);
};

/// Moves bytes between one socket and its machine. Writes are tried at once; an idle connection holds one small buffer.
class HttpServer::State::Peer : public std::enable_shared_from_this<HttpServer::State::Peer> {
public:
    Peer(std::shared_ptr<State> state, Socket socket) : state_(std::move(state)), socket_(std::move(socket)) {}

    void start(Admission admission) {
        process_ = admission.process;
        is_process_known_ = process_ != 0 || admission.socket == 0 || !state_->options.find_process;
        std::shared_ptr<Sessions> shared(state_, &state_->sessions);
        const Endpoint endpoint{state_->server,
                                std::move(shared),
                                state_->clock,
                                state_->options.limits,
                                state_->options.extra_origins,
                                state_->options.router,
                                state_->options.header_check,
                                state_->options.token};
        machine_ = std::make_shared<Connection>(endpoint, std::move(admission), [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->progress();
        });
        progress();
    }

    Connection& machine() { return *machine_; }
    void close() {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }
    /// It holds its place for that, and nothing that would change it waits in the kernel.
    bool holds(Connection::Hold what) const {
        boost::system::error_code ignored;
        return machine_->hold() == what && (!machine_->is_idle() || socket_.available(ignored) == 0);
    }

    /// Whether some of the output could be written now.
    bool takes_some() {
        auto& output = machine_->output();
        boost::system::error_code error;
        const auto sent = socket_.send(asio::buffer(output), MSG_NOSIGNAL, error);
        if (error || sent == 0) return false;
        output.erase(0, sent);
        machine_->output_taken();
        return true;
    }

    /// Brings the sums of the server up to what this one holds now.
    void count() {
        uncount();
        counted_side_ = index(machine_->audience());
        counted_role_ = index(machine_->role());
        counted_bytes_ = machine_->held_bytes();
        counted_unsent_ = machine_->unsent_bytes();
        is_counted_ = true;
        ++state_->places[counted_side_];
        state_->held[counted_role_] += counted_bytes_;
        state_->unsent[counted_side_] += counted_unsent_;
    }
    void uncount() {
        if (!std::exchange(is_counted_, false)) return;
        --state_->places[counted_side_];
        state_->held[counted_role_] -= counted_bytes_;
        state_->unsent[counted_side_] -= counted_unsent_;
    }

    /// Within a call that looks after it by itself in the end.
    bool is_in_progress() const noexcept { return in_progress_; }
    /// Whose what it holds is; 0: nobody knows, or not yet.
    pid_t process() const noexcept { return process_; }
    void ask_for_process() {
        if (is_process_known_ || is_process_asked_) return;
        is_process_asked_ = true;
        state_->options.find_process(machine_->admission().socket, [weak = weak_from_this()](pid_t process) {
            const auto self = weak.lock();
            if (!self) return;
            self->process_ = process;
            self->is_process_known_ = true;
            if (self->socket_.is_open()) self->count_process();
            self->progress();
        });
    }

    void count_process() {
        if (process_ == 0 || std::exchange(is_process_counted_, true)) return;
        ++state_->tcp_places[process_];
    }
    void uncount_process() {
        if (!std::exchange(is_process_counted_, false)) return;
        const auto own = state_->tcp_places.find(process_);
        if (--own->second == 0) state_->tcp_places.erase(own);
    }

    /// Brings the socket up to what the machine wants now.
    void progress() {
        if (in_progress_ || !socket_.is_open()) return;
        in_progress_ = true;
        write();
        if (machine_->wants_half_close() && machine_->output().empty() && !half_closed_) {
            half_closed_ = true;
            boost::system::error_code ignored;
            socket_.shutdown(Socket::shutdown_send, ignored);
        }
        in_progress_ = false;
        if (machine_->phase() == Connection::Phase::over && machine_->output().empty()) {
            state_->close_peer(shared_from_this());
            return;
        }
        if (must_be_known_first())
            ask_for_process();
        else if (!reading_ && machine_->wants_input())
            wait_read();
        state_->arm(machine_->deadline());
        count();
        state_->look_whether_crowded();
        state_->look_whether_scarce();
        if (state_->is_scarce && machine_->role() == Principal::Role::agent) ask_for_process();
        state_->shed(machine_->role());
        state_->look_whether_full();
    }

private:
    /// What is more than a first read waits in the kernel until it can be put on somebody's account.
    bool must_be_known_first() const noexcept {
        return state_->is_crowded && !is_process_known_ && machine_->hold() == Connection::Hold::request &&
               !machine_->is_idle();
    }

    void write() {
        auto& output = machine_->output();
        while (!output.empty() && !writing_) {
            boost::system::error_code error;
            const auto sent = socket_.send(asio::buffer(output), MSG_NOSIGNAL, error);
            if (error == asio::error::would_block) {
                writing_ = true;
                socket_.async_wait(Socket::wait_write, [self = shared_from_this()](boost::system::error_code failed) {
                    self->writing_ = false;
                    if (!failed) self->progress();
                });
                return;
            }
            if (error) {
                machine_->lost();
                return;
            }
            if (sent == output.size())
                output.clear();
            else
                output.erase(0, sent);
            machine_->output_taken();
        }
    }

    // Renewed with one receive that finds nothing; waiting for readiness alone would cost an epoll_ctl, which is
    // dearer.
    void wait_read() {
        reading_ = true;
        socket_.async_receive(asio::buffer(first_bytes_),
                              [self = shared_from_this()](boost::system::error_code failed, std::size_t got) {
                                  self->reading_ = false;
                                  if (failed != asio::error::operation_aborted) self->read(failed, got);
                              });
    }

    void read(boost::system::error_code failed, std::size_t got) {
        in_progress_ = true;
        take(failed, std::string_view(first_bytes_.data(), got));
        bool is_more = !failed && got == first_bytes_.size();
        for (std::size_t turn = 1;
             is_more && turn < reads_per_turn && machine_->wants_input() && socket_.is_open() && !must_be_known_first();
             ++turn) {
            boost::system::error_code error;
            const auto size = socket_.receive(asio::buffer(state_->buffer), 0, error);
            if (error == asio::error::would_block) break;
            take(error, std::string_view(state_->buffer.data(), size));
            is_more = !error && size == state_->buffer.size();
        }
        in_progress_ = false;
        progress();
    }

    void take(boost::system::error_code failed, std::string_view bytes) {
        if (failed == asio::error::eof)
            machine_->end_of_input();
        else if (failed)
            machine_->lost();
        else
            machine_->receive(bytes);
    }

    std::shared_ptr<State> state_;
    Socket socket_;
    std::shared_ptr<Connection> machine_;
    std::array<char, first_read_bytes> first_bytes_;
    bool reading_ = false;
    bool writing_ = false;
    bool half_closed_ = false;
    bool in_progress_ = false;
    bool is_counted_ = false;
    std::size_t counted_side_ = 0, counted_role_ = 0;
    std::size_t counted_bytes_ = 0, counted_unsent_ = 0;
    pid_t process_ = 0;
    bool is_process_known_ = false, is_process_asked_ = false, is_process_counted_ = false;

public:
    std::list<std::shared_ptr<Peer>>::iterator place;
};

// One timer serves all connections. It is set to the earliest deadline it has heard of; those that moved away since
// are found when it fires, so that a busy connection costs no timer operation per request.
void HttpServer::State::arm(MonoTime at) {
    if (at >= timer_at) return;
    timer_at = at;
    timer.expires_at(at);
    timer.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
        if (failed) return;
        if (const auto self = weak.lock()) self->tick();
    });
}

void HttpServer::State::tick() {
    timer_at = MonoTime::max();
    const auto now = clock.now();
    MonoTime next = MonoTime::max();
    const bool is_wanted = is_full && (!options.on_full || options.on_full(true));
    if (is_full) next = now + options.limits.stalled_of_full;
    const auto all = peers;
    for (const auto& peer : all) {
        const bool is_in_the_way = is_wanted && peer->machine().audience() == Audience::agent;
        // Who takes some only now may have had no chance to: this loop was busy, or it was.
        if (is_in_the_way && peer->machine().gives_way_at() <= now &&
            !(peer->takes_some() && peer->machine().gives_way_at() > now)) {
            drop(peer);
            continue;
        }
        if (peer->machine().deadline() <= now) {
            peer->machine().tick();
            peer->progress();
        }
        next = std::min(next, peer->machine().deadline());
        if (is_in_the_way) next = std::min(next, peer->machine().gives_way_at());
    }
    if (next != MonoTime::max()) arm(next);
}

void HttpServer::State::close_peer(const std::shared_ptr<Peer>& peer) {
    peer->close();
    if (peer->place == peers.end()) return;
    peer->uncount();
    peer->uncount_process();
    look_whether_full();
    peers.erase(std::exchange(peer->place, peers.end()));
    if (peers.empty()) emptied.notify_all();
    if (on_room) on_room();
    if (options.on_ended) options.on_ended();
}

/// Those that were there before somebody took all that was left stay.
std::shared_ptr<HttpServer::State::Peer> HttpServer::State::find_newest_stream(Audience side) const {
    for (auto each = peers.rbegin(); each != peers.rend(); ++each)
        if ((*each)->machine().audience() == side && (*each)->holds(Connection::Hold::stream)) return *each;
    return nullptr;
}

void HttpServer::State::drop(const std::shared_ptr<Peer>& peer) {
    // Closed at once: half-closed it would keep its place until its client looked again.
    peer->machine().lost();
    close_peer(peer);
}

/// Bounds what requests and answers of agents hold while they are on their way, of those over TCP and of those behind
/// the bridge apart. The process that holds most gives what has waited for its peer for longest: connections that are
/// renewed all the time are young, and still its own. What the person's client holds does not count.
void HttpServer::State::shed(Principal::Role role) {
    const std::size_t& held_now = held[index(role)];
    if (role == Principal::Role::client || held_now <= options.limits.held_bytes || is_shedding) return;
    is_shedding = true;
    struct Share {
        std::size_t bytes = 0;
        std::vector<std::shared_ptr<Peer>> holders;  // the oldest last
    };
    std::vector<Share> shares;  // that of who has come first, first
    std::unordered_map<pid_t, std::size_t> place_of;
    for (const auto& peer : peers) {
        const std::size_t bytes = peer->machine().held_bytes();
        if (peer->machine().role() != role || bytes == 0 || peer->is_in_progress()) continue;
        const std::size_t place = place_of.try_emplace(peer->process(), shares.size()).first->second;
        if (place == shares.size()) shares.emplace_back();
        shares[place].bytes += bytes;
        shares[place].holders.push_back(peer);
    }
    const auto is_younger = [](const std::shared_ptr<Peer>& a, const std::shared_ptr<Peer>& b) {
        return a->machine().held_since() > b->machine().held_since();
    };
    for (Share& share : shares) {
        std::reverse(share.holders.begin(), share.holders.end());
        std::stable_sort(share.holders.begin(), share.holders.end(), is_younger);
    }
    // Of those that hold as much the one whose oldest is older.
    const auto holds_less = [&is_younger](const Share& a, const Share& b) {
        if (a.bytes != b.bytes || a.holders.empty() || b.holders.empty()) return a.bytes < b.bytes;
        return is_younger(a.holders.back(), b.holders.back());
    };
    const std::string reason = fmt::format(
        "limit: requests and answers on their way hold {} MiB, and this agent's process most of them; it "
        "may try again when it has fewer",
        options.limits.held_bytes >> 20);
    // Somewhat below the bound, so that the next byte is not looked for among thousands again.
    const std::size_t enough = options.limits.held_bytes - options.limits.held_bytes / 8;
    while (held_now > enough) {
        const auto most = std::max_element(shares.begin(), shares.end(), holds_less);
        if (most == shares.end() || most->holders.empty()) break;
        const auto oldest = std::move(most->holders.back());
        most->holders.pop_back();
        most->bytes -= oldest->machine().held_bytes();
        oldest->machine().give_way(reason);
        oldest->progress();
    }
    is_shedding = false;
}

/// From then on it is found out whose each large request is, and before that no more of it is read.
void HttpServer::State::look_whether_crowded() {
    const bool now = held[index(Principal::Role::agent)] > options.limits.held_bytes / 2;
    if (std::exchange(is_crowded, now) || !now) return;
    for (const auto& peer : peers)
        if (peer->machine().held_bytes() > 0) peer->ask_for_process();
}

/// From then on it is found out whose each connection is.
void HttpServer::State::look_whether_scarce() {
    const bool now = places[index(Audience::agent)] >= options.limits.agent_connections / 4 * 3;
    if (std::exchange(is_scarce, now) || !now) return;
    for (const auto& peer : peers)
        if (peer->machine().role() == Principal::Role::agent) peer->ask_for_process();
}

/// The process with most of the agents' connections, where it has many; 0: none has, or it is not known.
pid_t HttpServer::State::find_greediest() const {
    const std::size_t many = std::max<std::size_t>(2, options.limits.agent_connections / 32);
    const auto most = std::max_element(tcp_places.begin(), tcp_places.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == tcp_places.end() || most->second < many ? 0 : most->first;
}

/// While it is full nothing large is rendered, and those who take nothing soon make room.
void HttpServer::State::look_whether_full() {
    const bool now = unsent[index(Audience::agent)] > options.limits.unsent_bytes;
    if (now && !is_full) arm(clock.now() + std::min(options.limits.stalled_of_full, options.limits.unsent_of_full));
    if (std::exchange(is_full, now) != now && options.on_full) options.on_full(now);
}

void HttpServer::State::drop_all() {
    const auto all = peers;
    for (const auto& peer : all) {
        peer->machine().lost();
        close_peer(peer);
    }
}

HttpServer::HttpServer(Server& server, async::Clock& clock, HttpOptions options, SessionGraveyard& graveyard)
    : state_(std::make_shared<State>(server, clock, std::move(options), graveyard)) {}

HttpServer::~HttpServer() {
    state_->on_room = nullptr;
    state_->options.on_ended = nullptr;
    state_->options.on_full = nullptr;
    state_->drop_all();
    state_->timer.cancel();
}

void HttpServer::serve(Socket socket, Admission admission) {
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    const int family = socket.local_endpoint(ignored).protocol().family();
    if (family == AF_INET || family == AF_INET6) socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    auto peer = std::make_shared<State::Peer>(state_, std::move(socket));
    peer->place = state_->peers.insert(state_->peers.end(), peer);
    peer->start(std::move(admission));
    if (state_->closing) {
        peer->machine().finish();
        peer->progress();
    }
}

std::size_t HttpServer::connections() const noexcept { return state_->peers.size(); }

bool HttpServer::has_room(Audience side) const noexcept {
    const Limits& limits = state_->options.limits;
    const std::size_t taken = state_->places[State::index(side)];
    if (side == Audience::client) return taken < limits.client_connections;
    return taken < limits.agent_connections && next_descriptor() < limits.agent_descriptors;
}

/// Ends as many as `wanted`, in one look at all; returns how many. `process`: of its alone; 0: of all.
std::size_t HttpServer::State::make_room(Audience side, pid_t process, std::size_t wanted) {
    using Hold = Connection::Hold;
    struct Candidate {
        int rank = 0;  // the lowest goes first, and of that the oldest
        MonoTime since{};
        std::size_t place = 0;  // in the order in which they came
        Hold what{};
        std::shared_ptr<Peer> peer;
    };
    const auto goes_later = [](const Candidate& a, const Candidate& b) {
        return std::tie(a.rank, a.since, a.place) > std::tie(b.rank, b.since, b.place);
    };
    const auto settled_at = clock.rough_now() - settled;
    std::vector<Candidate> candidates;
    for (const auto& peer : peers) {
        const Connection& machine = peer->machine();
        if (machine.audience() != side || (process != 0 && peer->process() != process)) continue;
        const Hold what = machine.hold();
        const bool is_settled = machine.held_since() <= settled_at;
        // Who is slow to ask goes before who has asked and may ask again, and nobody while he is about to. At the
        // client's door whoever knocks waits for who is about to ask: its calls are made once.
        const int about_to = side == Audience::agent ? 3 : -1;
        const int rank = what == Hold::request                ? (is_settled ? 0 : about_to)
                         : what == Hold::rest                 ? (is_settled ? 1 : 4)
                         : what == Hold::answer && is_settled ? 2
                                                              : -1;
        if (rank >= 0) candidates.push_back({rank, machine.held_since(), candidates.size(), what, peer});
    }
    std::make_heap(candidates.begin(), candidates.end(), goes_later);
    std::size_t ended = 0;
    while (ended < wanted && !candidates.empty()) {
        std::pop_heap(candidates.begin(), candidates.end(), goes_later);
        const Candidate next = std::move(candidates.back());
        candidates.pop_back();
        if (!next.peer->holds(next.what)) continue;
        drop(next.peer);
        ++ended;
    }
    const auto stream = ended == 0 && process == 0 ? find_newest_stream(side) : nullptr;
    if (!stream) return ended;
    drop(stream);
    return 1;
}

bool HttpServer::make_room(Audience side, std::size_t wanted) {
    // However young its connections are; and never most of them at once, after which it may not be the greediest.
    const pid_t greediest = side == Audience::agent ? state_->find_greediest() : 0;
    if (greediest != 0) {
        const std::size_t some = 1 + state_->tcp_places.at(greediest) / 8;
        if (state_->make_room(side, greediest, std::min(wanted, some)) > 0) return true;
    }
    return state_->make_room(side, 0, 1) > 0;
}

void HttpServer::set_on_room(std::function<void()> on_room) { state_->on_room = std::move(on_room); }

Task<> HttpServer::close(MonoTime until) {
    const auto state = state_;
    state->closing = true;
    const auto all = state->peers;
    for (const auto& peer : all) {
        peer->machine().finish();
        peer->progress();
    }
    co_await state->server.finish_calls(until, state->clock);
    // Answers are out or on their way. A peer that closes its side now has read them; for one that stays silent the
    // kernel delivers what it holds.
    const MonoTime silent_until = state->clock.now() + last_words;
    bool in_time = true;
    while (!state->peers.empty() && in_time) in_time = co_await state->emptied.wait_until(silent_until, state->clock);
    const auto silent = state->peers;
    for (const auto& peer : silent)
        if (peer->machine().output().empty()) state->close_peer(peer);
    in_time = true;
    while (!state->peers.empty() && in_time) in_time = co_await state->emptied.wait_until(until, state->clock);
    state->drop_all();
}

}  // namespace persistproc::mcp::http
