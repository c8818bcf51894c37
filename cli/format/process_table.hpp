#pragma once
/// The table of `list`: which processes, in which order, and how they fit a terminal. Pure: the present time and the
/// terminal are given.
#include <string>
#include <string_view>
#include <vector>

#include "cli/format/text_style.hpp"
#include "common/domain/process.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace cli::format {

enum class ListSort { state, id, label, uptime, cpu, memory, restarts };

struct ListChoice {
    std::vector<ProcessView> shown;
    std::size_t ended = 0;  // left out: they have ended a while ago
};

/// What lives first, then what failed for good, then what has ended, the latest first; that within the last ten minutes
/// alone unless `all`. By another order: the same ones, the largest of a number first.
ListChoice choose_processes(std::vector<ProcessView> views, WallTime now, bool all, ListSort sort);

/// A row for each, below a head, and how many were left out. On a terminal no row is wider than it: the directory and
/// the label are shortened, then columns are left out by rank. Else nothing is cut, and a long label takes its own row
/// out of line, no other.
std::string process_table(const ListChoice& choice, WallTime now, const TextStyle& style);

/// Of its state; empty: none.
std::string_view colour_of(const ProcessView& view);
inline constexpr std::string_view no_colour = "\x1b[0m";

/// "~/…/web": the end of a path, as much of it as `cells` have room for.
std::string short_directory(std::string_view path, std::size_t cells, const TextStyle& style);

}  // namespace cli::format

namespace schema {
template <>
struct EnumNames<cli::format::ListSort> {
    using E = cli::format::ListSort;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::state, "state"}, {E::id, "id"},         {E::label, "label"},      {E::uptime, "uptime"},
        {E::cpu, "cpu"},     {E::memory, "memory"}, {E::restarts, "restarts"}};
};
}  // namespace schema
}  // namespace persistproc
