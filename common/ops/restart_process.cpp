#include "common/ops/restart_process.hpp"

#include "common/ops/bytes_as_text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::ops {

void carry_bytes(RestartRequest& request) { detail::carry(request); }

Result<void> RestartRequest::finish_reading(const schema::Json&) { return detail::restore(*this); }

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RestartRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::RestartResponse)
