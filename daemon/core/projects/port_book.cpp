#include "daemon/core/projects/port_book.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/checksum.hpp"

namespace persistproc::core::projects {

namespace {

// Below what the kernel gives to connections.
constexpr int first_automatic = 20000, automatic_ports = 10000, last_port = 65535;
// Of Procfiles.
constexpr int first_block = 5000, block_ports = 1000;

/// Not the same for two ports, and the same each time: the number outlives the loss of the book, unless it is taken.
int usual_number(const std::string& file, const std::string& process, const std::string& name) {
    std::string all;
    for (const auto* part : {&file, &process, &name}) all.append(*part).push_back('\0');
    return first_automatic + static_cast<int>(base::crc32c(all.data(), all.size()) % automatic_ports);
}

}  // namespace

const std::vector<BookedPort>& PortBook::find(const std::string& file) const {
    static const std::vector<BookedPort> none;
    const auto found = ports_.find(file);
    return found == ports_.end() ? none : found->second;
}

void PortBook::set(const std::string& file, std::vector<BookedPort> ports) {
    for (const auto& each : find(file)) {
        const auto files = files_.find(each.number);
        if (files == files_.end()) continue;  // two of its ports have the same
        files->second.erase(file);
        if (files->second.empty()) files_.erase(files);
    }
    for (const auto& each : ports) files_[each.number].insert(file);
    if (ports.empty())
        ports_.erase(file);
    else
        ports_[file] = std::move(ports);
}

std::optional<int> PortBook::base_port(const std::string& file) const {
    const auto found = base_ports_.find(file);
    return found == base_ports_.end() ? std::nullopt : std::optional(found->second);
}

void PortBook::set_base_port(const std::string& file, std::optional<int> number) {
    if (number)
        base_ports_[file] = *number;
    else
        base_ports_.erase(file);
}

std::vector<PortBook::Holder> PortBook::holders(int number, const std::string& but_file) const {
    std::vector<Holder> out;
    const auto files = files_.find(number);
    if (files == files_.end()) return out;
    for (const auto& file : files->second) {
        if (file == but_file) continue;
        const auto& ports = find(file);
        const auto port =
            std::find_if(ports.begin(), ports.end(), [number](const auto& each) { return each.number == number; });
        out.push_back({file, *port});
    }
    return out;
}

bool PortChoice::is_free(int number) {
    const auto has_number = [number](const BookedPort& each) { return each.number == number; };
    // Its own, of another process or of one that is asked for later: they stay.
    const auto& own = book_.find(file_);
    if (std::any_of(own.begin(), own.end(), has_number) || std::any_of(chosen_.begin(), chosen_.end(), has_number))
        return false;
    const auto holders = book_.holders(number, file_);
    for (const auto& each : holders)
        if (!gone_.contains(each.file) && !lookups_.is_gone(each.file)) return false;
    if (lookups_.is_taken(number)) return false;
    for (const auto& each : holders) gone_.insert(each.file);
    return true;
}

std::optional<BookedPort> PortChoice::find_booked(const std::string& process, const project::PortWish& wish) const {
    const auto& own = book_.find(file_);
    const std::string text = project::wish_text(wish);
    const auto booked = std::find_if(own.begin(), own.end(), [&](const BookedPort& each) {
        return each.process == process && each.name == wish.name && each.wish == text;
    });
    if (booked == own.end()) return std::nullopt;
    // Another of the same project insists on it by now.
    const bool is_given =
        wish.kind != project::PortWish::Kind::exactly &&
        std::any_of(chosen_.begin(), chosen_.end(), [&](const auto& each) { return each.number == booked->number; });
    return is_given ? std::nullopt : std::optional(*booked);
}

Result<int> PortChoice::number(const std::string& process, const project::PortWish& wish) {
    BookedPort port{.process = process, .name = wish.name, .wish = project::wish_text(wish), .unknown = {}};
    if (auto booked = find_booked(process, wish)) {
        chosen_.push_back(*booked);
        return booked->number;
    }
    return choose(std::move(port), wish, wish.number);
}

/// `first`: of what is wished from some number on.
Result<int> PortChoice::choose(BookedPort port, const project::PortWish& wish, int first) {
    using Kind = project::PortWish::Kind;
    if (wish.kind == Kind::exactly) {
        port.number = wish.number;
    } else if (wish.kind == Kind::from) {
        for (int each = first; each <= last_port && port.number == 0; ++each)
            if (is_free(each)) port.number = each;
    } else {
        const int usual = usual_number(file_, port.process, port.name) - first_automatic;
        for (int i = 0; i < automatic_ports && port.number == 0; ++i)
            if (const int each = first_automatic + (usual + i) % automatic_ports; is_free(each)) port.number = each;
    }
    if (port.number == 0)
        return Error{ErrorCode::limit, wish.kind == Kind::from
                                           ? fmt::format("no port from {} on is free", first)
                                           : fmt::format("no port from {} to {} is free", first_automatic,
                                                         first_automatic + automatic_ports - 1)};
    chosen_.push_back(port);
    return port.number;
}

Result<int> PortChoice::number_in_block(const std::string& process, project::PortWish wish) {
    if (wish.kind != project::PortWish::Kind::from || find_booked(process, wish)) return number(process, wish);
    if (!block_) block_ = find_block();
    BookedPort port{.process = process, .name = wish.name, .wish = project::wish_text(wish), .unknown = {}};
    return choose(std::move(port), wish, wish.number + *block_);
}

int PortChoice::find_block() const {
    // Where its others are: "5100+" that has 7100 tells 2000.
    for (const auto& each : book_.find(file_)) {
        int wished = 0;
        const auto [end, failed] = std::from_chars(each.wish.data(), each.wish.data() + each.wish.size(), wished);
        const bool is_from = failed == std::errc{} && end + 1 == each.wish.data() + each.wish.size() && *end == '+';
        const int above = each.number - wished;
        if (is_from && above >= 0 && above % block_ports == 0) return above;
    }
    const auto is_others = [this](int number) {
        const auto holders = book_.holders(number, file_);
        return std::any_of(holders.begin(), holders.end(),
                           [this](const auto& each) { return !lookups_.is_gone(each.file); });
    };
    for (int above = 0; first_block + above + block_ports - 1 <= last_port; above += block_ports) {
        const int first = first_block + above;
        bool is_free = !lookups_.is_taken(first);
        for (int each = first; each < first + block_ports && is_free; ++each) is_free = !is_others(each);
        if (is_free) return above;
    }
    return 0;
}

}  // namespace persistproc::core::projects
