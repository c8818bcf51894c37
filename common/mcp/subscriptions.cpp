#include "common/mcp/subscriptions.hpp"

#include <utility>
#include <vector>

#include "common/mcp/message.hpp"

namespace persistproc::mcp {

Subscriptions::Id Subscriptions::add(Wants wants, Deliver deliver) {
    const Id id = next_++;
    const auto uris = wants.uris;
    subscribers_.emplace(id, Subscriber{std::move(wants), std::move(deliver)});
    for (const auto& uri : uris) count(uri, 1);
    return id;
}

void Subscriptions::remove(Id id) {
    const auto found = subscribers_.find(id);
    if (found == subscribers_.end()) return;
    const auto uris = std::move(found->second.wants.uris);
    subscribers_.erase(found);
    for (const auto& uri : uris) count(uri, -1);
}

void Subscriptions::want(Id id, const std::string& uri) {
    const auto found = subscribers_.find(id);
    if (found != subscribers_.end() && found->second.wants.uris.insert(uri).second) count(uri, 1);
}

void Subscriptions::unwant(Id id, const std::string& uri) {
    const auto found = subscribers_.find(id);
    if (found != subscribers_.end() && found->second.wants.uris.erase(uri) > 0) count(uri, -1);
}

std::size_t Subscriptions::uris(Id id) const {
    const auto found = subscribers_.find(id);
    return found == subscribers_.end() ? 0 : found->second.wants.uris.size();
}

void Subscriptions::count(const std::string& uri, int by) {
    auto& holders = interest_[uri];
    holders += static_cast<std::size_t>(by);
    all_uris_ += static_cast<std::size_t>(by);
    const bool first = by > 0 && holders == 1;
    const bool last = holders == 0;
    if (last) interest_.erase(uri);
    if ((first || last) && on_interest) on_interest(uri, first);
}

// A delivery may end the connection of a subscriber, and with it subscriptions: the list is looked at again each time.
template <class Wanted>
void Subscriptions::tell(std::string_view method, std::string_view members, Wanted wanted) {
    std::vector<Id> ids;
    for (const auto& [id, subscriber] : subscribers_)
        if (wanted(subscriber.wants)) ids.push_back(id);
    for (const Id id : ids) {
        const auto found = subscribers_.find(id);
        if (found == subscribers_.end()) continue;
        const Deliver deliver = found->second.deliver;
        deliver(method, members);
    }
}

void Subscriptions::tools_changed() {
    tell("notifications/tools/list_changed", {}, [](const Wants& wants) { return wants.tools; });
}
void Subscriptions::prompts_changed() {
    tell("notifications/prompts/list_changed", {}, [](const Wants& wants) { return wants.prompts; });
}
void Subscriptions::resources_changed() {
    tell("notifications/resources/list_changed", {}, [](const Wants& wants) { return wants.resources; });
}
void Subscriptions::updated(const std::string& uri) {
    std::string members = R"("uri":)";
    append_quoted(members, uri);
    tell("notifications/resources/updated", members, [&](const Wants& wants) { return wants.uris.count(uri) > 0; });
}

}  // namespace persistproc::mcp
