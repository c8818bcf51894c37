#include "common/mcp/http/sessions.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t most_lost = 1024;  // ids of an earlier process that are remembered

/// Nobody waits for anything of it.
bool is_at_rest(const HttpSession& session) { return session.open.empty() && session.protocol->open_calls() == 0; }

/// Stream numbers of an earlier process must not name streams of this one: a client may resume across a restart.
std::uint64_t first_stream() {
    std::array<std::uint8_t, 6> bytes;
    base::fill_random(bytes);
    std::uint64_t out = 0;
    std::memcpy(&out, bytes.data(), bytes.size());
    return out;
}

/// The oldest stream of a call whose client can come back to it; null: none.
std::shared_ptr<Stream> find_resumable(const HttpSession& session) {
    if (session.protocol->revision() < Revision::r2025_11_25) return nullptr;
    for (const std::uint64_t number : session.open) {
        const auto found = session.streams.find(number);
        if (found != session.streams.end() && found->second != session.standing && found->second->has_events())
            return found->second;
    }
    return nullptr;
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
    std::string id = ids_.make(protocol->revision(), protocol->client_name());
    return insert(std::move(id), std::move(protocol));
}

std::shared_ptr<HttpSession> Sessions::find(std::string_view id) {
    std::string key(id);
    const auto found = by_id_.find(key);
    if (found != by_id_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        recent_.front()->used = clock_.rough_now();
        ++recent_.front()->requests;
        return recent_.front();
    }
    auto facts = ids_.read(id);
    if (!facts || graveyard_.contains(key) || ids_.has_made(id)) return nullptr;
    if (std::find(adopted_and_lost_.begin(), adopted_and_lost_.end(), key) != adopted_and_lost_.end()) return nullptr;
    return insert(std::move(key), std::make_shared<Session>(facts->revision, std::move(facts->client_name)));
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

/// Looks when a session is added that makes them many: else nobody has a use for the room.
void Sessions::drop_idle() {
    if (by_id_.size() < limits_.sessions / 2) return;
    const auto now = clock_.now();
    for (auto each = recent_.end(); each != recent_.begin();) {
        --each;
        HttpSession& session = **each;
        if (now - session.used < limits_.session_idle) return;
        if (is_at_rest(session)) each = drop(each);
    }
}

// Sessions with something open are never dropped; the bounds on calls and streams bound them.
void Sessions::make_room() {
    while (by_id_.size() >= limits_.sessions) {
        std::unordered_map<std::string_view, std::size_t> of_client;
        for (const auto& each : recent_) ++of_client[each->protocol->client_name()];
        // Of the client with most, one that said hello and nothing more before one that was used, and of these that of
        // longest ago. Who has just said hello is about to go on: the newest quarter counts as used.
        std::size_t newer = 0;
        std::pair<std::size_t, bool> highest;
        auto least = recent_.end();
        for (auto each = recent_.begin(); each != recent_.end(); ++each, ++newer) {
            if (!is_at_rest(**each)) continue;
            const bool is_given_up = !(*each)->is_used() && newer >= limits_.sessions / 4;
            const std::pair rank(of_client[(*each)->protocol->client_name()], is_given_up);
            if (least != recent_.end() && rank < highest) continue;
            least = each;
            highest = rank;
        }
        if (least == recent_.end()) return;
        drop(least);
    }
}

/// Its client is told when it comes back: what it subscribed to, and who it is, would be missing without a word.
Sessions::Recent::iterator Sessions::drop(Recent::iterator session) {
    const std::string id = (*session)->id;
    if (!ids_.has_made(id)) adopted_and_lost_.push_back(id);
    if (adopted_and_lost_.size() > most_lost) adopted_and_lost_.pop_front();
    by_id_.erase(id);
    return recent_.erase(session);
}

std::shared_ptr<Stream> Sessions::open_stream(HttpSession& session) {
    if (session.has_ended || session.open.size() >= limits_.streams_per_session ||
        !make_room_for_stream(session, StreamKind::call))
        return nullptr;
    auto stream = std::make_shared<Stream>(++next_stream_, limits_);
    session.streams.emplace(stream->number(), stream);
    session.open.insert(stream->number());
    ++open_streams_;
    return stream;
}

/// Sessions cost nothing: they are counted with their client, and with each other only within it.
bool Sessions::make_room_for_stream(const HttpSession& session, StreamKind kind) {
    const bool is_call = kind == StreamKind::call;
    if (is_call ? open_streams_ - open_standing_ < limits_.streams : open_standing_ < limits_.standing_streams)
        return true;
    const auto count = [is_call](const HttpSession& each) {
        const std::size_t standing = each.is_standing_open ? 1 : 0;
        return is_call ? each.open.size() - standing : standing;
    };
    const auto can_give = [is_call](const HttpSession& each) { return is_call ? find_resumable(each) : each.standing; };
    std::unordered_map<std::string_view, std::size_t> of_client;
    for (const auto& each : recent_) of_client[each->protocol->client_name()] += count(*each);
    const std::string_view client = session.protocol->client_name();
    std::shared_ptr<HttpSession> from;
    std::pair<std::size_t, std::size_t> most;
    // From the least recently used on.
    for (auto each = recent_.rbegin(); each != recent_.rend(); ++each) {
        const std::string_view theirs = (*each)->protocol->client_name();
        const std::pair has{of_client[theirs], count(**each)};
        const bool has_more =
            theirs == client ? has.second > count(session) + 1 : has.first > of_client[client] + 1 && has.second > 0;
        if (!has_more || has <= most || !can_give(**each)) continue;
        from = *each;
        most = has;
    }
    if (!from) return false;
    const auto given = can_give(*from);
    given->let_carrier_go();
    close_stream(*from, given->number());
    return true;
}

void Sessions::close_stream(HttpSession& session, std::uint64_t number) {
    open_streams_ -= session.open.erase(number);
    if (!session.standing || session.standing->number() != number) return;
    if (!std::exchange(session.is_standing_open, false)) return;
    --open_standing_;
    session.standing_left = clock_.now();
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
    if (!make_room_for_stream(session, StreamKind::standing)) return false;
    if (!session.standing) {
        session.standing = std::make_shared<Stream>(++next_stream_, limits_, StreamKind::standing);
        session.streams.emplace(session.standing->number(), session.standing);
    }
    session.is_standing_open = true;
    session.open.insert(session.standing->number());
    ++open_streams_;
    ++open_standing_;
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
