#pragma once
/// Whose is what is kept where there is no room for all of it: what agents do in plenty costs the person nothing. There
/// are two sides, the person and all agents, since an agent may call itself by any number of names; the side that holds
/// more gives, and of its actors the one with most, its oldest first.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace persistproc::core {

/// Whether it is the name of the person's client; an agent that calls itself so is told by another (tools::actor_of).
inline bool is_person(std::string_view actor) noexcept { return actor.starts_with("persistproc"); }

/// Of items with an age (the least is the oldest). One thread at a time.
template <class Age, class Item>
class Shares {
public:
    /// Counts for the actor, and is never taken.
    void hold(const std::string& actor, std::uint64_t amount) {
        Side& side = side_of(actor);
        side.held += amount;
        side.actors[actor].held += amount;
    }
    void add(const std::string& actor, Age age, std::uint64_t amount, Item item) {
        hold(actor, amount);
        side_of(actor).actors[actor].items.emplace(age, std::pair(amount, std::move(item)));
    }

    std::uint64_t held() const noexcept { return sides_[0].held + sides_[1].held; }

    /// Takes out what is to go next, so that `bound` is held in all. Nothing: it is, or what is left stays. The person
    /// keeps what agents hold more than, and half of the bound where they cannot give it.
    std::optional<Item> take_beyond(std::uint64_t bound) {
        if (held() <= bound) return std::nullopt;
        Side &person = sides_[1], &agents = sides_[0];
        const bool is_persons = person.held > agents.held;
        if (auto item = take(is_persons ? person : agents)) return item;
        if (is_persons) return take(agents);
        return person.held > bound / 2 ? take(person) : std::nullopt;
    }

private:
    struct Actor {
        std::uint64_t held = 0;
        std::multimap<Age, std::pair<std::uint64_t, Item>> items;
    };
    struct Side {
        std::uint64_t held = 0;
        std::map<std::string, Actor, std::less<>> actors;
    };

    Side& side_of(std::string_view actor) { return sides_[is_person(actor) ? 1 : 0]; }

    static std::optional<Item> take(Side& side) {
        const auto gives_after = [](const auto& a, const auto& b) {
            if (a.second.items.empty() || b.second.items.empty()) return a.second.items.size() < b.second.items.size();
            if (a.second.held != b.second.held) return a.second.held < b.second.held;
            return a.second.items.begin()->first > b.second.items.begin()->first;
        };
        const auto greediest = std::max_element(side.actors.begin(), side.actors.end(), gives_after);
        if (greediest == side.actors.end() || greediest->second.items.empty()) return std::nullopt;
        Actor& actor = greediest->second;
        const auto oldest = actor.items.begin();
        const std::uint64_t amount = oldest->second.first;
        std::optional<Item> out(std::move(oldest->second.second));
        actor.items.erase(oldest);
        actor.held -= amount;
        side.held -= amount;
        if (actor.held == 0) side.actors.erase(greediest);
        return out;
    }

    std::array<Side, 2> sides_;
};

}  // namespace persistproc::core
