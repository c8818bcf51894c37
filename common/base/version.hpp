#pragma once
#include <string>
#include <string_view>

namespace persistproc::base {

/// Version of this build, e.g. "0.1.0".
std::string_view version() noexcept;
/// When that version was made: "2026-11-28".
std::string_view version_date() noexcept;
/// The commit it was built from, 12 digits, with "+" where files differed from it. Empty: built from no checkout. Made
/// by the build (cmake/commit.cmake); programs link it, libraries but `cli` do not.
std::string_view commit() noexcept;
/// Both for people: "0.1.0 (53c42df01234)", or the version alone where the commit is empty. Pure.
std::string version_text(std::string_view version, std::string_view commit);

}  // namespace persistproc::base
