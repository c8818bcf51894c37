# Sourced by the other scripts: which Debian packages each job needs, and how missing ones are installed.
# shellcheck shell=bash

# python3 is what the scripts, and the first command of the README, are run with.
build_packages=(g++ python3 cmake ninja-build ccache nlohmann-json3-dev libcli11-dev libfmt-dev libre2-dev libsqlite3-dev nettle-dev libtomlplusplus-dev
    libvterm-dev libyaml-cpp-dev)
test_packages=(catch2 clang libclang-rt-14-dev clang-tools fish mandoc)
lint_packages=(clang-format-14 shellcheck)

_installed() {
    local status
    status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) && [[ $status == ii* ]]
}

# Prints the Boost package to install, nothing when a suitable one is there. Debian's default (1.74) lacks what we
# use, and its headers cannot be installed beside newer ones.
_missing_boost() {
    local package old=
    while read -r package; do
        case $package in
            libboost1.8[1-9]-dev | libboost1.9[0-9]-dev) return 0 ;;
            libboost1.[0-7][0-9]-dev | libboost1.80-dev) old=$package ;;
        esac
    done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'libboost1.*-dev' 2>/dev/null | sed -n 's/^ii *//p')
    if [[ -n $old ]]; then
        echo "persistproc: $old is installed and excludes Boost 1.81, which persistproc needs;" \
            "replace it with: sudo apt-get install libboost1.81-dev  (apt names what it removes)" >&2
        return 1
    fi
    echo libboost1.81-dev
}

# install_packages WHAT PACKAGE…: WHAT is said to the user. Silent when nothing is missing.
install_packages() {
    local what=$1 package missing=() as_root=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        echo "persistproc: not a Debian system; $what needs the equivalents of: $*" >&2
        return 0
    fi
    for package in "$@"; do
        if [[ $package == boost ]]; then
            package=$(_missing_boost) || return 1
            [[ -z $package ]] || missing+=("$package")
        elif ! _installed "$package"; then
            missing+=("$package")
        fi
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if [[ $(id -u) -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "persistproc: $what needs packages; as root, run: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "persistproc: installing for $what: ${missing[*]}" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Use-Pty=0 "${missing[@]}" >&2
}

install_build_packages() { install_packages "the build" "${build_packages[@]}" boost; }

install_test_packages() {
    local wanted=("${test_packages[@]}")
    # Node is often installed from elsewhere, which Debian's own package would fight.
    command -v node >/dev/null || wanted+=(nodejs)
    command -v npm >/dev/null || wanted+=(npm)
    install_packages "the tests" "${wanted[@]}"
}

install_lint_packages() { install_packages "the checks" "${lint_packages[@]}"; }
