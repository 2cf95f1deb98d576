#!/usr/bin/env bash
# Installs what the demo and the tests need, and nothing that starts a daemon on this machine.
#
#   scripts/deps.sh         iproute2, nftables, iptables, ipset, curl, conntrack, ethtool, strace, ping, tcpdump, iperf3, sockperf, bpftool, firewalld, clang and
#                           libbpf's headers, debootstrap, systemd-nspawn, lintian; etcd under artifacts/tools, 3.4 and 3.5 under artifacts/tools/etcd; libfaketime under
#                           artifacts/tools/faketime; Docker 20.10 with containerd, and the latest, under artifacts/tools/docker; CNI plugins 1.1
#                           and the latest under artifacts/tools/cni; a small Debian with systemd under artifacts/tools/node
#   scripts/deps.sh lint    clang-format, for the C in bpf/
#   scripts/deps.sh kernels QEMU, cpio and kmod, for scripts/kernels.sh
#   scripts/deps.sh vagrant Vagrant, libvirt and QEMU, for the cluster of virtual machines
#
# Does nothing, and needs neither network nor root, when everything is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# command -> Debian package. The lab runs real tools, the agent loads libnftables and libbpf.
lab_tools=(ip:iproute2 nft:nftables ping:iputils-ping tcpdump:tcpdump iperf3:iperf3 nsenter:util-linux clang:clang bpftool:bpftool
    iptables-nft:iptables iptables-legacy:iptables ipset:ipset curl:curl conntrack:conntrack ethtool:ethtool sockperf:sockperf strace:strace
    dbus-daemon:dbus-daemon busctl:systemd firewalld:firewalld
    debootstrap:debootstrap systemd-nspawn:systemd-container dpkg-deb:dpkg lintian:lintian)
lint_tools=(clang-format:clang-format)
# libvirtd's package starts it elsewhere; here nothing does (policy-rc.d), and scripts/vagrant.sh starts one of its own.
vagrant_tools=(vagrant:vagrant virsh:libvirt-clients libvirtd:libvirt-daemon-system dnsmasq:dnsmasq-base extlinux:extlinux
    qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils debootstrap:debootstrap rsync:rsync mkfs.ext4:e2fsprogs ssh:openssh-client)
kernel_tools=(qemu-system-x86_64:qemu-system-x86 cpio:cpio depmod:kmod bpftool:bpftool setpriv:util-linux ping:iputils-ping xz:xz-utils dpkg-deb:dpkg)
tools_dir=artifacts/tools
docker_dir=$tools_dir/docker
cni_dir=$tools_dir/cni
etcd_dir=$tools_dir/etcd
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
policy=/usr/sbin/policy-rc.d
# Another apt run on the machine is waited for.
apt_options=(-q -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0)

say() { printf 'deps: %s\n' "$*"; }
die() {
    printf 'deps: %s\n' "$@" >&2
    exit 1
}

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed to install packages: run 'make deps' as root, or install sudo"
    fi
}

# A user's PATH often lacks the sbin folders, where ip, nft and tcpdump live.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Without -q: grep would leave early, and a broken pipe counts as a failure here.
has_library() { ldconfig -p 2>/dev/null | grep -F "$1" >/dev/null; }

# Both from the same place: the lab looks for ACCELERATED_ETCD, artifacts/tools, PATH in that order.
has_etcd() {
    [[ -x ${ACCELERATED_ETCD:-$tools_dir/usr/bin/etcd} && -x ${ACCELERATED_ETCDCTL:-$tools_dir/usr/bin/etcdctl} ]] ||
        { command -v etcd && command -v etcdctl; } >/dev/null
}

has_docker() {
    [[ -x $docker_dir/20.10/usr/sbin/dockerd && -x $docker_dir/latest/usr/sbin/dockerd && -x $docker_dir/20.10/bin/busybox ]]
}

has_cni() {
    [[ -x $cni_dir/1.1/usr/lib/cni/bridge && -x $cni_dir/latest/usr/lib/cni/bridge ]]
}

has_fault_tools() {
    [[ -x $etcd_dir/3.4/usr/bin/etcd && -x $etcd_dir/3.5/usr/bin/etcd && -d $tools_dir/faketime ]]
}

check_dotnet() {
    local wanted
    wanted=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' global.json)
    command -v dotnet >/dev/null ||
        die "the .NET SDK is missing: install $wanted or a later 10.0 SDK" \
            "from https://dotnet.microsoft.com/download/dotnet/10.0 and put 'dotnet' on the PATH"
    dotnet --version >/dev/null 2>&1 ||
        die "no installed .NET SDK satisfies global.json: install $wanted or a later 10.0 SDK" \
            "from https://dotnet.microsoft.com/download/dotnet/10.0 (installed: $(dotnet --list-sdks | tr '\n' ';'))"
}

# Packages whose command is not there.
missing_packages() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
}

# Some packages (iperf3) can start a daemon; exit code 101 from policy-rc.d forbids it. A policy that is there
# already is the machine's own and stays.
forbid_daemons() {
    [[ -e $policy || -L $policy ]] && return
    trap 'as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\n# Put here by scripts/deps.sh while it installs; it removes it again.\nexit 101\n' |
        as_root tee "$policy" >/dev/null
    as_root chmod 0755 "$policy"
}

apt_quietly() {
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        die "apt-get $* failed, see above"
    fi
    rm -f "$log"
}

install_packages() {
    forbid_daemons
    say "installing $*"
    # The daemon question of iperf3 has a preset answer in noninteractive mode only if nobody changed it: say no.
    if [[ " $* " == *" iperf3 "* ]] && command -v debconf-set-selections >/dev/null; then
        echo 'iperf3 iperf3/start_daemon boolean false' | as_root debconf-set-selections
    fi
    apt_quietly install --yes --no-install-recommends "$@"
}

# etcd is unpacked beside the build, not installed: the Debian package would run it as a service.
unpack_etcd() {
    local work
    say "unpacking etcd and etcdctl into $tools_dir"
    work=$(mktemp -d)
    (
        cd "$work"
        apt-get "${apt_options[@]}" -o APT::Sandbox::User="$(id -un)" download etcd-server etcd-client >log 2>&1 </dev/null || {
            cat log >&2
            exit 1
        }
    ) || die "could not download etcd-server and etcd-client from the package archive, see above;" \
        "or put etcd and etcdctl on the PATH (or ACCELERATED_ETCD and ACCELERATED_ETCDCTL) yourself"
    mkdir -p "$tools_dir"
    local package
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$tools_dir"
    done
    rm -rf "$work"
}

# Unpacked beside the build as well: versions that a Debian suite has, whatever the machine's own is. A list of sources of its own, so that the
# machine's packages stay what they are.
#   $1  folder under artifacts/tools, made whole or not at all   $2  suite   $3...  packages
unpack_from() {
    local folder=$1 suite=$2 work
    shift 2
    [[ -r $keyring ]] || die "what the tests take from Debian's archive needs its keys: install debian-archive-keyring," \
        "or unpack $* of Debian $suite into $folder yourself"
    say "unpacking $* of Debian $suite into $folder"
    work=$(mktemp -d)
    mkdir -p "$work"/{lists,cache/archives}/partial "$work/tree"
    (
        cd "$work"
        echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite main" >sources.list
        private=("${apt_options[@]}" -o "APT::Sandbox::User=$(id -un)" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
            -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Acquire::Languages=none)
        { apt-get "${private[@]}" update && apt-get "${private[@]}" download "$@"; } >log 2>&1 </dev/null || {
            cat log >&2
            exit 1
        }
        for package in *.deb; do
            dpkg-deb -x "$package" tree
        done
    ) || die "could not download $* of Debian $suite, see above"
    mkdir -p "$(dirname "$folder")"
    rm -rf "${folder:?}"
    mv "$work/tree" "$folder"
    rm -rf "$work"
}

# containerd, runc and the client of the older version serve both.
unpack_docker() {
    [[ -x $docker_dir/20.10/usr/sbin/dockerd ]] || unpack_from "$docker_dir/20.10" bookworm docker.io containerd runc busybox-static
    [[ -x $docker_dir/latest/usr/sbin/dockerd ]] || unpack_from "$docker_dir/latest" sid docker.io
}

# Debian 12's, which an operator has, and newer ones that speak CNI 1.1. Unpacked, because the package brings a DHCP service.
unpack_cni() {
    [[ -x $cni_dir/1.1/usr/lib/cni/bridge ]] || unpack_from "$cni_dir/1.1" bookworm containernetworking-plugins
    [[ -x $cni_dir/latest/usr/lib/cni/bridge ]] || unpack_from "$cni_dir/latest" sid containernetworking-plugins
}

# The versions the fault scenarios name, and the library that shows one process another clock.
unpack_fault_tools() {
    [[ -x $etcd_dir/3.4/usr/bin/etcd ]] || unpack_from "$etcd_dir/3.4" bookworm etcd-server etcd-client
    [[ -x $etcd_dir/3.5/usr/bin/etcd ]] || unpack_from "$etcd_dir/3.5" trixie etcd-server etcd-client
    [[ -d $tools_dir/faketime ]] || unpack_from "$tools_dir/faketime" bookworm libfaketime
}

group=${1:-lab}
packages=()
case $group in
lab)
    check_dotnet
    mapfile -t packages < <(missing_packages "${lab_tools[@]}" | sort -u)
    has_library libnftables.so.1 || packages+=(libnftables1)
    has_library libbpf.so.1 || packages+=(libbpf1)
    [[ -e /usr/include/bpf/bpf_helpers.h && -e /usr/include/linux/bpf.h ]] || packages+=(libbpf-dev linux-libc-dev)
    ;;
vagrant)
    mapfile -t packages < <(missing_packages "${vagrant_tools[@]}" | sort -u)
    [[ -e /usr/lib/SYSLINUX/mbr.bin ]] || packages+=(syslinux-common)
    dpkg-query --show vagrant-libvirt >/dev/null 2>&1 || packages+=(vagrant-libvirt)
    ;;
lint) mapfile -t packages < <(missing_packages "${lint_tools[@]}") ;;
kernels) mapfile -t packages < <(missing_packages "${kernel_tools[@]}" | sort -u) ;;
*) die "unknown group '$group': use no argument, 'lint', 'kernels' or 'vagrant'" ;;
esac
want_etcd=no
if [[ $group == lab ]] && ! has_etcd; then want_etcd=yes; fi
want_docker=no
if [[ $group == lab ]] && ! has_docker; then want_docker=yes; fi
want_cni=no
if [[ $group == lab ]] && ! has_cni; then want_cni=yes; fi
want_fault_tools=no
if [[ $group == lab ]] && ! has_fault_tools; then want_fault_tools=yes; fi

want_node=no
if [[ $group == lab ]] && ! scripts/node-tree.sh --check; then want_node=yes; fi

if [[ ${#packages[@]} -eq 0 && $want_etcd == no && $want_docker == no && $want_cni == no && $want_fault_tools == no && $want_node == no ]]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    die "this machine has no apt-get, so please install these yourself:" \
        "${packages[*]:+  packages (Debian names): ${packages[*]}}" \
        "$([[ $want_etcd == no ]] || echo "  etcd and etcdctl 3.4 or later, on the PATH or named by ACCELERATED_ETCD and ACCELERATED_ETCDCTL")" \
        "$([[ $want_docker == no ]] || echo "  Docker 20.10 with containerd, runc and a static busybox, unpacked into $docker_dir/20.10, and Docker 28 or later into $docker_dir/latest")" \
        "$([[ $want_cni == no ]] || echo "  CNI plugins 1.1 unpacked into $cni_dir/1.1, and 1.6 or later into $cni_dir/latest")" \
        "$([[ $want_fault_tools == no ]] || echo "  etcd and etcdctl 3.4 and 3.5, unpacked into $etcd_dir/3.4 and $etcd_dir/3.5, and libfaketime into $tools_dir/faketime")" \
        "$([[ $want_node == no ]] || echo "  debootstrap, with which scripts/node-tree.sh makes $tools_dir/node")"
fi

if [[ ${#packages[@]} -gt 0 || $want_etcd == yes ]]; then
    say "refreshing the package lists"
    apt_quietly update
fi
if [[ ${#packages[@]} -gt 0 ]]; then install_packages "${packages[@]}"; fi
if [[ $want_etcd == yes ]]; then unpack_etcd; fi
if [[ $want_docker == yes ]]; then unpack_docker; fi
if [[ $want_cni == yes ]]; then unpack_cni; fi
if [[ $want_fault_tools == yes ]]; then unpack_fault_tools; fi
if [[ $want_node == yes ]]; then as_root scripts/node-tree.sh; fi
