#!/bin/sh
# setup.sh [GROUP ...] - install what bert4c is built with. Debian and Ubuntu; safe to repeat.
#
#   (none)  compiler, make, pkg-config, libraries, cmocka: for `make`, `make test`, `make run`
#   arm     cross compiler, emulator and the libraries for 64-bit ARM: for `make neon`
#   clang   second compiler, with libFuzzer: for `make clang`, `make fuzz`
#   mpi     Open MPI: for training on many machines (`make mpi`)
#   all     everything above
#   -n      only say what would be installed
set -eu

BASE="gcc make xz-utils pkg-config libc6-dev libjansson-dev libutf8proc-dev zlib1g-dev libcurl4-openssl-dev libcmocka-dev"
ARM="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
ARM_FOREIGN="libc6:arm64 libjansson-dev:arm64 libutf8proc-dev:arm64 libcmocka-dev:arm64"
CLANG="clang"
MPI="libopenmpi-dev openmpi-bin"

arm=no dry=no
packages=$BASE
for group in "$@"; do
    case $group in
    arm)   arm=yes ;;
    clang) packages="$packages $CLANG" ;;
    mpi)   packages="$packages $MPI" ;;
    all)   arm=yes packages="$packages $CLANG $MPI" ;;
    -n)    dry=yes ;;
    *)     sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
[ $arm = yes ] && packages="$packages $ARM"

if ! command -v apt-get > /dev/null; then
    cat >&2 <<END
setup.sh: this system has no apt-get, so please install by its own means:
  a C11 compiler (gcc 12 or clang 14, or newer), GNU make, pkg-config,
  jansson 2.14, utf8proc 2.8, zlib, libcurl, cmocka 1.1, each with its headers.
Fedora:  dnf install gcc make pkgconf jansson-devel utf8proc-devel zlib-devel libcurl-devel libcmocka-devel
Arch:    pacman -S gcc make pkgconf jansson libutf8proc zlib curl cmocka
Alpine:  apk add gcc musl-dev make pkgconf jansson-dev utf8proc-dev zlib-dev curl-dev cmocka-dev
Then \`make\` tells whether something is still missing.
END
    exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
updated=no
update() {
    [ $updated = yes ] && return 0
    updated=yes
    command -v ${as_root:-true} > /dev/null || {
        echo "setup.sh: not root, and no sudo; please run it as root" >&2
        exit 1
    }
    $as_root apt-get update -qq
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# The runtime of clang's sanitizers and libFuzzer is a package of clang's own version.
case " $packages " in
*" clang "*)
    installed clang || [ $dry = yes ] || update
    version=$(apt-cache depends clang 2> /dev/null |
        sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -1)
    [ -n "$version" ] && packages="$packages libclang-rt-$version-dev"
    ;;
esac

wanted=
for p in $packages; do installed "$p" || wanted="$wanted $p"; done
# An ARM machine has these as its own packages, and runs its own tests.
foreign=no
if [ $arm = yes ] && [ "$(dpkg --print-architecture)" != arm64 ]; then
    for p in $ARM_FOREIGN; do
        installed "$p" || { foreign=yes; wanted="$wanted $p"; }
    done
fi
if [ -z "$wanted" ]; then
    echo "setup.sh: everything is installed"
    exit 0
fi
echo "setup.sh: installing$wanted"
[ $dry = yes ] && exit 0

if [ $foreign = yes ]; then
    if grep -q '^ID=ubuntu' /etc/os-release 2> /dev/null && ! grep -rqs ports /etc/apt; then
        echo "setup.sh: Ubuntu keeps ARM packages apart; add its ports archive for arm64 to" \
            "/etc/apt/sources.list.d first, or leave the group 'arm' out" >&2
        exit 1
    fi
    command -v ${as_root:-true} > /dev/null && $as_root dpkg --add-architecture arm64
    updated=no
fi
update
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted
echo "setup.sh: done"
