#include "common/mcp/http/sessions.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t most_lost = 1024;  // ids of an earlier process that are remembered
// To look for each costs a look at all, which a thousand calls that have just ended must not make a long one.
constexpr std::size_t most_dropped_at_once = 4;

/// What each process has, and within that each of its clients, by name. A process that is not known is one for each
/// name.
class Shares {
public:
    struct Share {
        std::size_t of_process = 0, of_client = 0;
        auto operator<=>(const Share&) const = default;
    };

    void add(const HttpSession& session, std::size_t count) {
        of_process_[process(session)] += count;
        of_client_[client(session)] += count;
    }
    Share of(const HttpSession& session) { return {of_process_[process(session)], of_client_[client(session)]}; }

    using Owner = std::pair<pid_t, std::string_view>;
    static Owner process(const HttpSession& session) {
        return {session.process, session.process == 0 ? std::string_view(session.protocol->client_name()) : ""};
    }
    static Owner client(const HttpSession& session) { return {session.process, session.protocol->client_name()}; }

private:
    std::map<Owner, std::size_t> of_process_, of_client_;
};

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

Sessions::Sessions(const SessionKey& key, const Limits& limits, SessionGraveyard& graveyard, async::Clock& clock,
                   ProcessFinder find_process, ProcessLook is_there)
    : ids_(key),
      limits_(limits),
      graveyard_(graveyard),
      clock_(clock),
      find_process_(std::move(find_process)),
      is_there_(std::move(is_there)),
      next_stream_(first_stream()) {}

bool Sessions::must_ask(const Principal& from) const {
    if (!find_process_ || from.process != 0 || from.socket == 0) return false;
    return by_id_.size() >= limits_.sessions / 4 || open_streams_ - open_standing_ >= limits_.streams / 2 ||
           open_standing_ >= limits_.standing_streams / 2;
}

void Sessions::ask(const Principal& from, std::function<void(pid_t)> then) const {
    find_process_(from.socket, [then = std::move(then)](pid_t found) { then(found == 0 ? untold_process : found); });
}

void Sessions::learn_process(const std::shared_ptr<HttpSession>& session, const Principal& from) {
    if (session->process != 0) return;
    session->process = from.process;
    if (session->is_asked || !must_ask(from)) return;
    session->is_asked = true;
    ask(from, [weak = std::weak_ptr(session)](pid_t process) {
        if (const auto live = weak.lock()) live->process = process;
    });
}

std::shared_ptr<HttpSession> Sessions::insert(std::string id, std::shared_ptr<Session> protocol,
                                              const Principal& from) {
    auto session = std::make_shared<HttpSession>();
    session->id = id;
    session->used = clock_.rough_now();
    session->protocol = std::move(protocol);
    session->side = from.audience();
    learn_process(session, from);
    drop_idle();
    make_room(*session);
    recent_.push_front(session);
    by_id_.emplace(std::move(id), recent_.begin());
    return session;
}

std::shared_ptr<HttpSession> Sessions::add(std::shared_ptr<Session> protocol, const Principal& from) {
    std::string id = ids_.make(protocol->revision(), protocol->client_name());
    return insert(std::move(id), std::move(protocol), from);
}

std::shared_ptr<HttpSession> Sessions::find(std::string_view id, const Principal& from) {
    std::string key(id);
    const auto found = by_id_.find(key);
    if (found != by_id_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        recent_.front()->used = clock_.rough_now();
        ++recent_.front()->requests;
        learn_process(recent_.front(), from);
        return recent_.front();
    }
    auto facts = ids_.read(id);
    if (!facts || graveyard_.contains(key) || ids_.has_made(id)) return nullptr;
    if (std::find(adopted_and_lost_.begin(), adopted_and_lost_.end(), key) != adopted_and_lost_.end()) return nullptr;
    return insert(std::move(key), std::make_shared<Session>(facts->revision, std::move(facts->client_name)), from);
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

/// Those of whom there are sessions.
std::set<pid_t> Sessions::processes_gone() const {
    std::set<pid_t> out, seen;
    for (const auto& each : recent_)
        if (is_there_ && each->process > 0 && seen.insert(each->process).second && !is_there_(each->process))
            out.insert(each->process);
    return out;
}

// Sessions with something open are never dropped, and take no place of those at rest: the bounds on calls and streams
// bound them.
void Sessions::make_room(const HttpSession& newcomer) {
    if (by_id_.size() < limits_.sessions) return;
    const auto can_go = [&newcomer](const auto& each) { return each->side == newcomer.side && is_at_rest(*each); };
    const auto at_rest = static_cast<std::size_t>(std::count_if(recent_.begin(), recent_.end(), can_go));
    const std::size_t too_many = at_rest - std::min(at_rest, limits_.sessions - 1);
    if (too_many == 0) return;
    const auto gone = processes_gone();
    for (std::size_t dropped = 0; dropped < std::min(too_many, most_dropped_at_once); ++dropped) {
        Shares shares;
        shares.add(newcomer, 1);
        for (const auto& each : recent_) shares.add(*each, 1);
        // That of a process that has ended, then of the one with most: one that said hello and nothing more before one
        // that was used, and of these that of longest ago. Who has just said hello is about to go on: the newest
        // quarter counts as used.
        std::size_t newer = 0;
        std::tuple<bool, Shares::Share, bool> highest;
        auto least = recent_.end();
        for (auto each = recent_.begin(); each != recent_.end(); ++each) {
            if (!can_go(*each)) continue;
            const bool is_given_up = newer++ >= limits_.sessions / 4 && !(*each)->is_used();
            const bool is_gone = gone.contains((*each)->process);
            const std::tuple rank(is_gone, is_gone ? Shares::Share() : shares.of(**each), is_given_up);
            if (least != recent_.end() && rank < highest) continue;
            least = each;
            highest = rank;
        }
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

/// Sessions cost nothing: they are counted with their process and client, and with each other only within these.
bool Sessions::make_room_for_stream(const HttpSession& session, StreamKind kind) {
    const bool is_call = kind == StreamKind::call;
    if (is_call ? open_streams_ - open_standing_ < limits_.streams : open_standing_ < limits_.standing_streams)
        return true;
    const auto count = [is_call](const HttpSession& each) {
        const std::size_t standing = each.is_standing_open ? 1 : 0;
        return is_call ? each.open.size() - standing : standing;
    };
    const auto can_give = [is_call](const HttpSession& each) { return is_call ? find_resumable(each) : each.standing; };
    Shares shares;
    for (const auto& each : recent_) shares.add(*each, count(*each));
    const Shares::Share own = shares.of(session);
    const auto has_more = [&](const HttpSession& other, const Shares::Share& theirs) {
        if (count(other) == 0) return false;
        if (Shares::process(other) != Shares::process(session)) return theirs.of_process > own.of_process + 1;
        if (Shares::client(other) != Shares::client(session)) return theirs.of_client > own.of_client + 1;
        return count(other) > count(session) + 1;
    };
    std::shared_ptr<HttpSession> from;
    std::pair<Shares::Share, std::size_t> most;
    // From the least recently used on.
    for (auto each = recent_.rbegin(); each != recent_.rend(); ++each) {
        const std::pair has{shares.of(**each), count(**each)};
        if (!has_more(**each, has.first) || has <= most || !can_give(**each)) continue;
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
