#include "common/ops/client_operations.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::SignalRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::DescribeRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::ProcessDetails)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RemoveRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::RenameRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::FlushRequest)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::ShutdownRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::ShutdownResponse)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::AuditRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::AuditLine)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::AuditResponse)
PERSISTPROC_REQUEST_CODECS(, persistproc::ops::DaemonInfoRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::DaemonInfo)
