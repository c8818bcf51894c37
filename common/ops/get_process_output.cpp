#include "common/ops/get_process_output.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::OutputRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::OutputMeta)
