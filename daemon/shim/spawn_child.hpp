#pragma once
/// What runs between fork and exec. System calls alone: no heap, no locks, nothing that the parent's state could spoil.
#include "common/rundir/spec.hpp"

namespace persistproc::shim {

/// A step that failed, as the child writes it to its report pipe.
struct SpawnFailure {
    rundir::Stage stage = rundir::Stage::none;
    int error = 0;
};

struct SpawnPlan {
    /// Decoded into a table with one free slot before `argv[0]`: a script without "#!" needs it.
    const rundir::SpecView* spec = nullptr;
    int out = -1, err = -1;  // write ends; all descriptors here are above 2
    int in = -1;             // read end; -1: /dev/null
    int terminal = -1;       // slave of the terminal that stands in for all three; -1: none
    int release = -1;        // one byte: go on; end of file: the keeper is gone, and nobody knows of us
    int report = -1;         // close-on-exec; a SpawnFailure or end of file
};

/// Becomes the program of the spec: own session, its standard input and the two pipes or its terminal, no other
/// descriptor, default signals, then execvpe's rules with the PATH of the spec's environment. Never returns.
[[noreturn]] void become_child(const SpawnPlan& plan) noexcept;

}  // namespace persistproc::shim
