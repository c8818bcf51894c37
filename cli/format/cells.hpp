#pragma once
/// What text for a terminal is measured and broken with, by its short names.
#include "common/base/cells.hpp"
#include "common/base/columns.hpp"

namespace persistproc::cli::format {

using base::cells_of;
using base::cut_end;
using base::cut_middle;
using base::to_ascii;
using base::wrap_behind;

}  // namespace persistproc::cli::format
