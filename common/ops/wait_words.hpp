#pragma once
/// What can be waited for, and how a wait can end.
#include <string_view>
#include <utility>

#include "common/schema/field.hpp"

namespace persistproc {
namespace ops {

enum class WaitCondition { pattern, port, exit, quiet, ready };
// error: the process printed one, and what was waited for did not follow at once
// still_waiting: an agent's call was answered before its time was up, so that no client gives up on it; ask again
enum class WaitOutcome { matched, port_open, ended, quiet, ready, error, timed_out, still_waiting };

}  // namespace ops

namespace schema {
template <>
struct EnumNames<ops::WaitCondition> {
    using E = ops::WaitCondition;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::pattern, "pattern"}, {E::port, "port"}, {E::exit, "exit"}, {E::quiet, "quiet"}, {E::ready, "ready"}};
};
template <>
struct EnumNames<ops::WaitOutcome> {
    using E = ops::WaitOutcome;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::matched, "matched"},     {E::port_open, "port_open"},
        {E::ended, "ended"},         {E::quiet, "quiet"},
        {E::ready, "ready"},         {E::error, "error"},
        {E::timed_out, "timed_out"}, {E::still_waiting, "still_waiting"}};
};
}  // namespace schema
}  // namespace persistproc
