#include "common/ops/list_processes.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::ListRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::ListResponse)
