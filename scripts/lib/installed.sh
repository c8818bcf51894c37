# shellcheck shell=bash
# What scripts/install and scripts/uninstall share; source it.

# Where the first writes, and the second reads, what was installed: a path below PREFIX a line, the directories that were
# made for it with a slash at the end.
# shellcheck disable=SC2034
manifest=share/persistproc/manifest

# PIDs of processes that execute FILE, or did when it was replaced.
running_from() {
    { find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -printf '%h %l\n' 2>/dev/null || true; } |
        while read -r folder program; do
            if [[ ${program% (deleted)} == "$1" ]]; then echo "${folder#/proc/}"; fi
        done
}

# The full path of PREFIX; ends the script where NAME may not write there.
resolve_prefix() {
    local prefix above
    prefix=$(readlink -m -- "$2")
    above=$prefix
    while [[ ! -e $above ]]; do above=$(dirname "$above"); done
    if [[ ! -d $above || ! -w $above ]]; then
        echo "$1: $above: not a directory that $(id -un) may write to; choose another PREFIX, or use sudo" >&2
        return 1
    fi
    echo "$prefix"
}
