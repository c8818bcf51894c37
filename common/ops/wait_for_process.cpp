#include "common/ops/wait_for_process.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::WaitRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::WaitMeta)
