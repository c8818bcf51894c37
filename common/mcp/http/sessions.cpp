#include "common/mcp/http/sessions.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

/// Stream numbers of an earlier process must not name streams of this one: a client may resume across a restart.
std::uint64_t first_stream() {
    std::array<std::uint8_t, 6> bytes;
    base::fill_random(bytes);
    std::uint64_t out = 0;
    std::memcpy(&out, bytes.data(), bytes.size());
    return out;
}

}  // namespace

Sessions::Sessions(const SessionKey& key, const Limits& limits, SessionGraveyard& graveyard, async::Clock& clock)
    : ids_(key), limits_(limits), graveyard_(graveyard), clock_(clock), next_stream_(first_stream()) {}

std::shared_ptr<HttpSession> Sessions::insert(std::string id, std::shared_ptr<Session> protocol) {
    drop_idle();
    make_room();
    auto session = std::make_shared<HttpSession>();
    session->id = id;
    session->used = clock_.rough_now();
    session->protocol = std::move(protocol);
    recent_.push_front(session);
    by_id_.emplace(std::move(id), recent_.begin());
    return session;
}

std::shared_ptr<HttpSession> Sessions::add(std::shared_ptr<Session> protocol) {
    std::string id = ids_.make(protocol->revision());
    return insert(std::move(id), std::move(protocol));
}

std::shared_ptr<HttpSession> Sessions::find(std::string_view id) {
    std::string key(id);
    const auto found = by_id_.find(key);
    if (found != by_id_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        recent_.front()->used = clock_.rough_now();
        return recent_.front();
    }
    const auto revision = ids_.find_revision(id);
    if (!revision || graveyard_.contains(key)) return nullptr;
    return insert(std::move(key), std::make_shared<Session>(*revision));
}

void Sessions::end(const std::shared_ptr<HttpSession>& session) {
    graveyard_.bury(session->id);
    const auto found = by_id_.find(session->id);
    if (found != by_id_.end()) {
        recent_.erase(found->second);
        by_id_.erase(found);
    }
    if (session->standing) {
        const auto standing = session->standing;
        leave_standing(*session, nullptr);
        standing->end();
    }
    // Calls in flight are still answered where they were asked, but keep no place of a session.
    session->has_ended = true;
    open_streams_ -= session->open.size();
    session->open.clear();
}

/// Looks when a session is added: whoever adds none has no use for the room.
void Sessions::drop_idle() {
    const auto now = clock_.now();
    for (auto each = recent_.end(); each != recent_.begin();) {
        --each;
        HttpSession& session = **each;
        if (now - session.used < limits_.session_idle) return;
        if (!session.open.empty() || session.protocol->open_calls() > 0) continue;
        by_id_.erase(session.id);
        each = recent_.erase(each);
    }
}

// Sessions with something open are never dropped; the bounds on calls and streams bound them. A dropped one is
// adopted again when its client comes back.
void Sessions::make_room() {
    auto each = recent_.end();
    while (by_id_.size() >= limits_.sessions && each != recent_.begin()) {
        --each;
        HttpSession& session = **each;
        if (!session.open.empty() || session.protocol->open_calls() > 0) continue;
        by_id_.erase(session.id);
        each = recent_.erase(each);
    }
}

std::shared_ptr<Stream> Sessions::open_stream(HttpSession& session) {
    if (session.has_ended || session.open.size() >= limits_.streams_per_session || !make_room_for_stream(session))
        return nullptr;
    auto stream = std::make_shared<Stream>(++next_stream_, limits_);
    session.streams.emplace(stream->number(), stream);
    session.open.insert(stream->number());
    ++open_streams_;
    return stream;
}

/// Sessions cost nothing: who has many streams, or had one before, makes room for the first one of another.
bool Sessions::make_room_for_stream(const HttpSession& session) {
    if (open_streams_ < limits_.streams) return true;
    const auto has_fewer = [](const auto& a, const auto& b) { return a->open.size() < b->open.size(); };
    const auto most = std::max_element(recent_.rbegin(), recent_.rend(), has_fewer);
    const std::size_t own = session.open.size();
    if (most == recent_.rend() || (*most)->open.size() <= (own == 0 ? 0 : own + 1)) return false;
    const auto from = *most;
    const auto oldest = from->streams.find(*from->open.begin());
    if (oldest == from->streams.end()) return false;
    const auto stream = oldest->second;
    stream->let_carrier_go();
    close_stream(*from, stream->number());
    return true;
}

void Sessions::close_stream(HttpSession& session, std::uint64_t number) {
    open_streams_ -= session.open.erase(number);
    if (!session.standing || session.standing->number() != number) return;
    if (std::exchange(session.is_standing_open, false)) session.standing_left = clock_.now();
}

void Sessions::end_stream(const std::shared_ptr<HttpSession>& session, const std::shared_ptr<Stream>& stream) {
    stream->end();
    close_stream(*session, stream->number());
    kept_bytes_ += stream->stored_bytes();
    kept_.push_back(Kept{session, stream, clock_.now() + limits_.stored_for});
    drop_kept();
}

void Sessions::drop_kept() {
    while (!kept_.empty() && (kept_.front().until <= clock_.now() || kept_bytes_ > limits_.stored_total ||
                              kept_.size() > limits_.streams)) {
        const auto& oldest = kept_.front();
        kept_bytes_ -= oldest.stream->stored_bytes();
        if (const auto session = oldest.session.lock()) session->streams.erase(oldest.stream->number());
        kept_.pop_front();
    }
}

bool Sessions::count_standing(HttpSession& session) {
    if (session.is_standing_open) return true;
    if (!make_room_for_stream(session)) return false;
    if (!session.standing) {
        session.standing = std::make_shared<Stream>(++next_stream_, limits_, StreamKind::standing);
        session.streams.emplace(session.standing->number(), session.standing);
    }
    session.is_standing_open = true;
    session.open.insert(session.standing->number());
    ++open_streams_;
    return true;
}

// A client that opens a second one has mostly lost the first without our noticing: the newer carrier wins.
std::shared_ptr<Stream> Sessions::open_standing(HttpSession& session, const std::shared_ptr<StreamSink>& sink) {
    if (!count_standing(session)) return nullptr;
    session.standing->attach(sink);
    return session.standing;
}

bool Sessions::resume_standing(HttpSession& session, std::uint64_t position, const std::shared_ptr<StreamSink>& sink) {
    if (!count_standing(session)) return false;
    session.standing->resume(position, sink);
    return true;
}

void Sessions::leave_standing(HttpSession& session, const StreamSink* sink) {
    if (!session.standing) return;
    if (sink != nullptr) session.standing->detach(sink);
    // Another carrier has taken over.
    if (sink != nullptr && session.standing->has_carrier()) return;
    close_stream(session, session.standing->number());
}

void Sessions::say(HttpSession& session, std::string message) {
    if (!session.standing) return;
    if (!session.is_standing_open && clock_.now() > session.standing_left + limits_.stored_for) return;
    session.standing->push(std::move(message));
}

}  // namespace persistproc::mcp::http
