#include "common/ops/restart_process.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RestartRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::RestartResponse)
