#include "common/ops/project_operations.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::CheckRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::CheckResponse)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::AllowRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RevokeRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::RevokeResponse)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::PortRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::PortResponse)
