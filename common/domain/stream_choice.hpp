#pragma once
/// Which of a program's streams a reader of its output wants.
#include <string_view>
#include <utility>

#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

enum class StreamChoice { combined, out, err };

}  // namespace domain

namespace schema {
template <>
struct EnumNames<domain::StreamChoice> {
    using E = domain::StreamChoice;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::combined, "combined"}, {E::out, "stdout"}, {E::err, "stderr"}};
};
}  // namespace schema
}  // namespace persistproc
