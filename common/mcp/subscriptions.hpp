#pragma once
/// Who wants to hear of changes: sessions, and listen requests of 2026-07-28.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace persistproc::mcp {

class Subscriptions {
public:
    using Id = std::uint64_t;
    struct Wants {
        bool tools = false;
        bool prompts = false;
        bool resources = false;
        std::set<std::string> uris;
    };
    /// Gets the method and the members of its params as JSON text ("" or `"uri":"…"`).
    using Deliver = std::function<void(std::string_view method, std::string_view members)>;

    /// Called with true when a URI gets its first subscriber, with false when it has lost the last.
    std::function<void(const std::string& uri, bool wanted)> on_interest;

    Id add(Wants wants, Deliver deliver);
    /// Unknown ids are ignored.
    void remove(Id id);
    void want(Id id, const std::string& uri);
    void unwant(Id id, const std::string& uri);
    std::size_t uris(Id id) const;
    /// Of all subscribers, each counted.
    std::size_t all_uris() const noexcept { return all_uris_; }

    void tools_changed();
    void prompts_changed();
    void resources_changed();
    void updated(const std::string& uri);

    std::size_t size() const noexcept { return subscribers_.size(); }

private:
    struct Subscriber {
        Wants wants;
        Deliver deliver;
    };
    template <class Wanted>
    void tell(std::string_view method, std::string_view members, Wanted wanted);
    void count(const std::string& uri, int by);

    std::map<Id, Subscriber> subscribers_;
    std::map<std::string, std::size_t> interest_;
    std::size_t all_uris_ = 0;
    Id next_ = 1;
};

}  // namespace persistproc::mcp
