#pragma once
/// The keeper of one command of the daemon's own: a probe of a check. Nothing it has started outlives it.
namespace persistproc::shim {

/// persistproc-shim --command MILLISECONDS UMASK DIRECTORY WORD…: runs the words in the directory, with this process's
/// environment and standard output and error, as a program of a run is executed. Descriptor 3 is a packet socket: once
/// the command has ended or the time is over, and whatever it left behind is killed, one packet tells how: "exited N",
/// "killed SIGNAL", "timeout", or "failed ERRNO STAGE" of one that could not be executed. When its other end is closed,
/// all is killed and nothing told. `words` is the whole argument vector, which is written over. Returns the exit status
/// of the keeper.
int keep_command(int count, char** words) noexcept;

}  // namespace persistproc::shim
