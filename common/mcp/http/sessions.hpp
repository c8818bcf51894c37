#pragma once
/// The sessions of one endpoint and their streams, all of them bounded.
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/mcp/http/limits.hpp"
#include "common/mcp/http/session_id.hpp"
#include "common/mcp/http/stream.hpp"
#include "common/mcp/server.hpp"

namespace persistproc::mcp::http {

/// Finds the process that has the socket of that inode (Principal) and calls `then` with it, 0 if there is none: later,
/// on the executor, or never.
using ProcessFinder = std::function<void(std::uint64_t socket, std::function<void(pid_t)> then)>;

/// Whether a process of that number is there.
using ProcessLook = std::function<bool(pid_t)>;

struct HttpSession {
    std::string id;
    std::shared_ptr<Session> protocol;
    std::map<std::uint64_t, std::shared_ptr<Stream>> streams;  // open ones, and ended ones that can be resumed
    std::shared_ptr<Stream> standing;                          // of its GET; lives on without a carrier
    bool has_ended = false;                                    // by its client: it gets no streams any more
    bool is_standing_open = false;                             // a GET carries it now
    MonoTime standing_left{};                                  // when the last one went
    std::set<std::uint64_t> open;                              // streams of calls and of the GET, by number
    MonoTime used{};                                           // when its client last asked for anything
    std::uint64_t requests = 0;                                // after its initialize
    Audience side = Audience::agent;
    pid_t process = 0;  // whose it is; 0: that was not asked, or not told yet
    bool is_asked = false;

    /// More than the notification that every client sends was asked.
    bool is_used() const noexcept { return requests > 1; }
};

class Sessions {
public:
    /// The references must outlive this object. `find_process` and `is_there` may be empty: nobody can tell.
    Sessions(const SessionKey& key, const Limits& limits, SessionGraveyard& graveyard, async::Clock& clock,
             ProcessFinder find_process = {}, ProcessLook is_there = {});

    /// Whether there is so much that whose the next session is counts, and `from` does not tell: `ask` before `add`.
    bool must_ask(const Principal& from) const;
    /// `then`, which may be called within this, gets the process of `from`, or `untold_process`.
    void ask(const Principal& from, std::function<void(pid_t)> then) const;
    /// Adds a session that has been initialized, and gives it its id.
    std::shared_ptr<HttpSession> add(std::shared_ptr<Session> protocol, const Principal& from);
    /// The session of an id, for a request of `from`; one of an earlier process that is well signed and not ended is
    /// adopted. Null: none, or one whose state was given up here, so that its client begins another.
    std::shared_ptr<HttpSession> find(std::string_view id, const Principal& from);
    /// Ends the session for good: its id stays dead.
    void end(const std::shared_ptr<HttpSession>& session);

    /// A new stream of a call; null when the session or the endpoint has too many. The process that has most (where it
    /// is not known, the client, by its name), or else its client or session that does, gives one to whoever has fewer:
    /// its oldest that can be resumed loses its connection, and it may come back. A stream whose client could not hear
    /// of its answer again is never taken.
    std::shared_ptr<Stream> open_stream(HttpSession& session);
    /// The stream gets no more events. It stays resumable for a while.
    void end_stream(const std::shared_ptr<HttpSession>& session, const std::shared_ptr<Stream>& stream);
    /// Makes `sink` the carrier of the stream of a session's GET in place of a former one. It takes no place of a
    /// call's stream. Null as with `open_stream`.
    std::shared_ptr<Stream> open_standing(HttpSession& session, const std::shared_ptr<StreamSink>& sink);
    /// Takes up the standing stream after `position`, which it can resume. False: too many streams.
    bool resume_standing(HttpSession& session, std::uint64_t position, const std::shared_ptr<StreamSink>& sink);
    /// The carrier of the standing stream has gone; what is said meanwhile waits for the client for a while.
    void leave_standing(HttpSession& session, const StreamSink* sink);
    /// A message that belongs to no request of the session.
    void say(HttpSession& session, std::string message);

    std::size_t size() const noexcept { return by_id_.size(); }
    std::size_t open_streams() const noexcept { return open_streams_; }

private:
    using Recent = std::list<std::shared_ptr<HttpSession>>;
    struct Kept {
        std::weak_ptr<HttpSession> session;
        std::shared_ptr<Stream> stream;
        MonoTime until;
    };

    std::shared_ptr<HttpSession> insert(std::string id, std::shared_ptr<Session> protocol, const Principal& from);
    void learn_process(const std::shared_ptr<HttpSession>& session, const Principal& from);
    void make_room(const HttpSession& newcomer);
    std::set<pid_t> processes_gone() const;
    void drop_idle();
    Recent::iterator drop(Recent::iterator session);
    bool make_room_for_stream(const HttpSession& session, StreamKind kind);
    void close_stream(HttpSession& session, std::uint64_t number);
    bool count_standing(HttpSession& session);
    void drop_kept();

    SessionIds ids_;
    const Limits& limits_;
    SessionGraveyard& graveyard_;
    async::Clock& clock_;
    ProcessFinder find_process_;
    ProcessLook is_there_;
    Recent recent_;  // front: used last
    std::unordered_map<std::string, Recent::iterator> by_id_;
    std::deque<std::string> adopted_and_lost_;  // ids
    std::deque<Kept> kept_;
    std::size_t kept_bytes_ = 0;
    std::size_t open_streams_ = 0, open_standing_ = 0;  // the latter among the former
    std::uint64_t next_stream_;
};

}  // namespace persistproc::mcp::http
