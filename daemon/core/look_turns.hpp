#pragma once
/// Whose turn it is to be looked for, where many wait for something in logs: the person's first, then of the agents'
/// processes the one that has taken the least processor time, and in it likewise of its sessions. Who asks for little
/// has its turn at once, however much others ask for. Pure; one thread at a time.
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "common/async/turns.hpp"

namespace persistproc::core {

/// On whose behalf something is done.
struct Asker {
    async::Turns::Party party = nullptr;  // told apart by identity alone
    async::Turns::Group process = 0;      // 0: untold, then the party counts as one of its own
    bool is_person = false;

    /// What its turns are counted for.
    std::pair<bool, async::Turns::Group> share() const noexcept {
        return {is_person, process != 0 || is_person ? process : reinterpret_cast<async::Turns::Group>(party)};
    }
};

/// What nobody has taken: of a log that is looked at for nobody.
inline constexpr std::chrono::nanoseconds behind_all = std::chrono::nanoseconds::max();

/// Less is first.
struct LookRank {
    bool is_agent = true;
    std::chrono::nanoseconds of_process{0}, of_party{0};  // taken
    auto operator<=>(const LookRank&) const = default;
};

/// What each has taken so far.
class LookShares {
public:
    /// Who comes, or comes back, has taken as much as those whose turn it is: nothing is saved up, and leaving pays
    /// nothing back.
    LookRank rank(const Asker& who) const;
    void take(const Asker& who, std::chrono::nanoseconds time);
    /// It is the turn of one that has `rank`, of all that wait the first.
    void begin(const LookRank& rank);
    /// Nobody waits: all begin anew.
    void clear();

private:
    struct Process {
        std::chrono::nanoseconds taken{0}, floor{0};
        std::map<async::Turns::Party, std::chrono::nanoseconds> parties;
    };
    using Processes = std::map<std::pair<bool, async::Turns::Group>, Process>;

    Processes processes_;
    std::chrono::nanoseconds floor_{0};
};

/// The order within one look, which ends before all had their turn.
class LookOrder {
public:
    /// They are numbered as they are added; of one party, and of equals, who is added first is first.
    void add(const Asker& who, const LookRank& rank);
    /// Nothing: all had their turn.
    std::optional<std::size_t> next();
    /// What the last one has taken.
    void take(std::chrono::nanoseconds time);

private:
    struct Party {
        std::size_t process = 0;
        bool is_agent = true;
        std::chrono::nanoseconds taken{0};
        std::queue<std::size_t> waiting;
    };
    using Place = std::pair<std::pair<LookRank, std::size_t>, std::size_t>;  // rank, who is next, party

    Place place(std::size_t party) const;

    std::map<std::pair<bool, async::Turns::Group>, std::size_t> process_of_;
    std::map<std::pair<std::size_t, async::Turns::Party>, std::size_t> party_of_;
    std::vector<std::chrono::nanoseconds> processes_;
    std::vector<Party> parties_;
    std::priority_queue<Place, std::vector<Place>, std::greater<>> line_;
    bool is_in_line_ = false;
    std::optional<std::size_t> last_;  // party
    std::size_t added_ = 0;
};

}  // namespace persistproc::core
