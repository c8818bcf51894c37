#pragma once
/// The server's side of one HTTP connection as a machine: bytes in, bytes out, deadlines, no socket. Whoever drives
/// it feeds what the peer sends, writes what `output` holds, and calls `tick` at `deadline`.
///
///   reading    waits for a request, or is in the middle of one
///   waiting    a request is being handled, or whose it is is being found out; nothing was sent yet
///   streaming  its answer is an event stream (or the connection carries a GET stream)
///   draining   our side is closed; what still comes is thrown away, so that the peer is not reset before it has
///              read our last answer
///   over       close the socket
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/mcp/http/access.hpp"
#include "common/mcp/http/request_reader.hpp"
#include "common/mcp/http/room.hpp"
#include "common/mcp/http/router.hpp"
#include "common/mcp/http/sessions.hpp"

namespace persistproc::mcp::http {

/// Refuses a request of 2026-07-28 for headers beyond those of every request. Called once these are right.
using HeaderCheck = std::function<std::optional<RpcError>(const Message& message, const RequestReader& reader)>;

/// What all connections of a server share.
struct Endpoint {
    Server& server;
    std::shared_ptr<Sessions> sessions;  // calls in flight keep it beyond the connection
    async::Clock& clock;
    const Limits& limits;
    const std::vector<std::string>& extra_origins;
    const Router& router;
    const HeaderCheck& header_check;  // may be empty
    const std::string& token;         // asked for where an admission says so
};

/// How a connection came in.
struct Admission {
    Principal::Role role = Principal::Role::agent;
    /// Nobody else vouches for the peer: each request must show the token.
    bool needs_token = false;
    /// Whether a peer that has closed its side reads no more either. Empty: nobody can tell.
    std::function<bool()> has_left{};
    /// Of the peer, where the kernel tells (Principal).
    pid_t process = 0;
    std::uint64_t socket = 0;
};

class Connection final : public StreamSink, public std::enable_shared_from_this<Connection> {
public:
    enum class Phase { reading, waiting, streaming, draining, over };

    /// `on_change` is called when output, deadline or phase may have changed outside a call of the driver.
    Connection(Endpoint endpoint, Admission admission, std::function<void()> on_change);
    ~Connection() override;

    void receive(std::string_view bytes);
    /// The peer has closed its side; requests that are complete are still answered.
    void end_of_input();
    /// The connection is gone. What changes something for it goes on.
    void lost();
    void tick();
    /// Lets go of what has come of a request, which is answered with 503 and `reason`; nothing more is read. Where that
    /// cannot be said (an answer is owed, or not taken), the connection is lost.
    void give_way(std::string_view reason);
    /// Answers what is in flight, then half-closes; an idle connection does so at once.
    void finish();

    /// Bytes to write; the driver takes them out.
    std::string& output() noexcept { return output_; }
    /// Some output reached the peer.
    void output_taken();
    Phase phase() const noexcept { return phase_; }
    /// Close our side once the output is written.
    bool wants_half_close() const noexcept { return phase_ == Phase::draining; }
    /// False while enough unread bytes are here.
    bool wants_input() const noexcept;
    /// Between requests, with nothing begun.
    bool is_idle() const noexcept;
    MonoTime idle_since() const noexcept { return since_; }
    /// Whether a request of its has come whole.
    bool has_asked() const noexcept { return has_asked_; }
    /// What its place is held for.
    enum class Hold {
        refused,  // it gave way, and its peer may be reading why
        request,  // that has not come whole, be it the first one
        rest,     // between requests
        answer,   // that was given, and that its peer has not taken, or taken leave of
        stream,   // of a GET: owes nothing
        call,     // owes an answer
    };
    Hold hold() const noexcept;
    /// What is held for its requests and answers, bytes.
    std::size_t held_bytes() const noexcept { return reader_.held_bytes() + held_room(output_); }
    /// Of them, what its peer has not taken.
    std::size_t unsent_bytes() const noexcept { return held_room(output_); }
    /// When it is to be gone while others need the room; MonoTime::max(): it has taken everything.
    MonoTime gives_way_at() const noexcept;
    /// When what is held began to be waited for.
    MonoTime held_since() const noexcept { return output_.empty() ? since_ : output_since_; }
    /// Whose place it takes: an agent's, which a bridge's is as soon as it has said so, or the client's.
    Audience audience() const noexcept;
    Principal::Role role() const noexcept { return is_bridge_ ? Principal::Role::bridge : admission_.role; }
    const Admission& admission() const noexcept { return admission_; }
    /// When `tick` must be called; MonoTime::max(): never.
    MonoTime deadline() const noexcept;

    void send_event(std::string_view text) override;
    void end_stream() override;

private:
    class Exchange;
    friend class Exchange;

    void pump();
    bool check_head();
    bool check_access();
    bool refuse_head(unsigned status, std::string_view reason, std::string_view headers = {});
    void answer_preflight();
    void handle_request();
    void answer_page(const Router::Handler& handler);
    // post.cpp
    void post();
    void post_batch(Json array);
    void post_modern(Message message);
    void post_without_envelope(const Message& message);
    void post_in_session(Message message);
    void post_initialize(Message message);
    void begin_session(Message message);
    std::optional<RpcError> check_modern_headers(const Message& message) const;
    /// `session`: of a request that belongs to one.
    Principal principal(const Session* session) const;

    void open_get();
    void delete_session();
    std::shared_ptr<HttpSession> find_session(std::string_view rpc_id);
    /// `session`: null for a request of 2026-07-28, which has `alone` instead.
    std::shared_ptr<Exchange> begin_exchange(std::shared_ptr<HttpSession> session, std::shared_ptr<Session> alone);
    void accepted();
    void request_done();
    void half_close();
    void changed();

    void respond(unsigned status, std::string_view type, std::string_view body, std::string_view headers = {});
    /// One line of text as the whole answer.
    void answer_text(unsigned status, std::string_view reason, std::string_view headers = {});
    void refuse_rpc(unsigned status, const RpcError& error);
    /// One JSON-RPC message as the whole answer, in the form the client takes.
    void respond_message(unsigned status, std::string_view json, std::string_view headers = {});
    void begin_stream_head();
    /// Whether the peer is to take answers before it may ask on.
    bool is_behind() const noexcept;
    void begin_output();
    void name_allowed_origin();
    /// Turns the answer of the running exchange into an event stream. False: not possible, stay with one answer.
    bool begin_stream();

    Endpoint endpoint_;
    Admission admission_;
    bool is_bridge_ = false;
    std::function<void()> on_change_;
    RequestReader reader_;
    Phase phase_ = Phase::reading;
    std::string output_;
    Acceptable accept_;
    const Router::Handler* page_ = nullptr;  // of the request, if it is not the endpoint's
    std::string allowed_origin_;             // of the request, where the answer must name it
    bool keep_alive_ = true;
    bool can_chunk_ = true;
    bool input_ended_ = false;
    bool finishing_ = false;
    bool pumping_ = false;
    bool request_started_ = false;
    bool has_asked_ = false;
    bool has_given_way_ = false;
    MonoTime since_;               // of what the deadline of the phase counts from
    MonoTime output_since_{};      // last progress of pending output
    MonoTime unsent_since_{};      // since when there is some
    std::size_t thrown_away_ = 0;  // bytes that came after the half-close
    std::shared_ptr<Exchange> exchange_;
    std::shared_ptr<HttpSession> standing_session_;  // whose GET this is
};

}  // namespace persistproc::mcp::http
