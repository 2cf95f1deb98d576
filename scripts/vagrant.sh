#!/usr/bin/env bash
# Runs vagrant, or another command, for the cluster in vagrant/: where libvirt or VirtualBox serves this machine, with that; otherwise, and as root,
# with a libvirtd that this script starts in namespaces of its own, so that the machine's network and settings stay as they are.
#
#   scripts/vagrant.sh run COMMAND...     in vagrant/, such as: run vagrant up
#   scripts/vagrant.sh stop               ends that libvirtd with everything in its namespaces
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$PWD/artifacts/vagrant
own=$folder/libvirt
pid_file=$own/pid
export VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_HOME=$folder/home VAGRANT_DOTFILE_PATH=$folder/state
box=$folder/accelerated.box

say() { printf 'vagrant: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

has_provider() { virsh --connect qemu:///system version >/dev/null 2>&1 || command -v VBoxManage >/dev/null; }
is_running() { [[ -s $pid_file ]] && kill -0 "$(<"$pid_file")" 2>/dev/null && [[ -e $own/ready ]]; }

# A network and a mount namespace with a libvirtd in it that finds its own settings, sockets and state where the machine's would be.
start_own() {
    [[ $EUID -eq 0 ]] || die "no libvirt serves this machine (virsh --connect qemu:///system version): start it, or run this as root for one of its own"
    rm -rf "$own"
    mkdir -p "$own"/{run,lib,cache,log} /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
    cp -a /var/lib/libvirt/. "$own/lib/"
    cat >"$own/qemu.conf" <<'EOF'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
EOF
    say "starting a libvirtd of its own"
    # shellcheck disable=SC2016 # the inner shell's variables
    OWN=$own setsid unshare --net --mount --propagation private bash -euc '
        mount --bind "$OWN/run" /run/libvirt
        mount --bind "$OWN/lib" /var/lib/libvirt
        mount --bind "$OWN/cache" /var/cache/libvirt
        mount --bind "$OWN/log" /var/log/libvirt
        mount --bind "$OWN/qemu.conf" /etc/libvirt/qemu.conf
        ip link set lo up
        virtlogd & virtlogd=$!
        libvirtd & libvirtd=$!
        # Its machines end with it, and so does whatever else it has started: dnsmasq, QEMU.
        end() { kill "$libvirtd" "$virtlogd" 2>/dev/null; wait; exit 0; }
        trap end TERM INT
        for _ in $(seq 100); do virsh --connect qemu:///system version >/dev/null 2>&1 && break; sleep 0.1; done
        touch "$OWN/ready"
        while kill -0 "$libvirtd" 2>/dev/null; do sleep 1; done
    ' >"$own/log/own.log" 2>&1 </dev/null &
    echo $! >"$pid_file"
    for _ in $(seq 150); do
        [[ -e $own/ready ]] && return
        sleep 0.1
    done
    tail -n 20 "$own/log/own.log" >&2
    die "libvirtd did not start, see above"
}

# What is in the network namespace of our libvirtd belongs to it: QEMU and dnsmasq outlive libvirtd by design.
stop_own() {
    local pid namespace other
    if [[ -s $pid_file ]] && pid=$(<"$pid_file") && namespace=$(readlink "/proc/$pid/ns/net" 2>/dev/null) &&
        [[ $namespace != "$(readlink /proc/self/ns/net)" ]]; then
        kill "$pid"
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        # Ignoring failures: a process may have ended meanwhile.
        for other in /proc/[0-9]*; do
            [[ $(readlink "$other/ns/net" 2>/dev/null) != "$namespace" ]] || kill -KILL "${other#/proc/}" 2>/dev/null || true
        done
    fi
    rm -rf "$own"
}

case ${1:-} in
run)
    shift
    mkdir -p "$VAGRANT_HOME"
    cd vagrant
    # A box that was made here is used unless another is named.
    if [[ -z ${BOX:-} && -e $box ]]; then
        export BOX=accelerated
    fi
    enter=()
    if is_running || ! has_provider; then
        is_running || start_own
        enter=(nsenter "--target=$(<"$pid_file")" --net --mount)
        # A virtual machine in a virtual machine: KVM may be there and fail half-way.
        if systemd-detect-virt --quiet --vm; then export EMULATE=${EMULATE:-1}; fi
    fi
    if [[ ${BOX:-} == accelerated ]] && [[ ! -e $VAGRANT_HOME/added || $box -nt $VAGRANT_HOME/added ]]; then
        "${enter[@]}" vagrant box add --force --name accelerated "$box" >&2
        touch "$VAGRANT_HOME/added"
    fi
    exec "${enter[@]}" env "--chdir=$PWD" "$@"
    ;;
stop) stop_own ;;
*) die "say 'run COMMAND...' or 'stop'" ;;
esac
