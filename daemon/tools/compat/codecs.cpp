#include "common/schema/codec.hpp"
#include "daemon/tools/compat/requests.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::ControlRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::StartRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::StopRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::RestartRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::ListRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::OutputRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::StatusRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::FirstStatusRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::LogPathsRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::tools::compat::FirstLogPathsRequest)
