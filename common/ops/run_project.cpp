#include "common/ops/run_project.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RunProjectRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::RunProjectResponse)
