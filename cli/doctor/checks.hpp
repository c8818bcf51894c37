#pragma once
/// What `doctor` looks at. A check looks, never changes anything, and ends within a bound; it may block.
#include "cli/doctor/examined.hpp"
#include "cli/doctor/findings.hpp"

namespace persistproc::cli::doctor {

using Check = void (*)(const Examined&, Findings&);

// installation.cpp
void check_programs(const Examined& examined, Findings& out);
/// What the advice of every answer says to type must start this program.
void check_path(const Examined& examined, Findings& out);
/// What is the client's was read when it began; of what is the daemon's the daemon's program says what is wrong.
void check_settings(const Examined& examined, Findings& out);

// data.cpp
void check_data_directory(const Examined& examined, Findings& out);
void check_disk_space(const Examined& examined, Findings& out);

// daemon.cpp
void check_daemon(const Examined& examined, Findings& out);
void check_endpoint(const Examined& examined, Findings& out);

// machine.cpp: what system and session allow the daemon
void check_linger(const Examined& examined, Findings& out);
void check_descriptors(const Examined& examined, Findings& out);
/// What the daemon and the programs that agents start have of whoever started it.
void check_inherited(const Examined& examined, Findings& out);
void check_log_watches(const Examined& examined, Findings& out);

// runs.cpp
/// Shims, asked past the daemon.
void check_runs(const Examined& examined, Findings& out);
void check_processes(const Examined& examined, Findings& out);

// agents.cpp: their files, and whether what stands there works after a reboot
void check_agents(const Examined& examined, Findings& out);

}  // namespace persistproc::cli::doctor
