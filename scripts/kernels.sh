#!/usr/bin/env bash
# Has the verifiers of several kernels judge every eBPF object: each kernel of Debian boots in a small virtual machine of its own (QEMU without KVM),
# loads the objects, with all capabilities and without CAP_PERFMON, and says how that went. Writes the table in docs/kernels.md. Needs root and
# Debian's archive; nothing of this machine is changed.
#
#   scripts/kernels.sh [VERSION...]      of: 5.10 6.1 6.12 7 (the newest of 7); all of them if none is named, and only then is the table written
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# A user's PATH often lacks the sbin folders.
PATH=$PATH:/usr/sbin:/sbin
work=$PWD/artifacts/kernels
objects=$PWD/artifacts/dotnet/obj/Accelerated.Agent/release_linux-x64
busybox=$PWD/artifacts/tools/docker/20.10/bin/busybox
patience=${PATIENCE:-180}
versions=("$@")
[[ $# -gt 0 ]] || versions=(5.10 6.1 6.12 7)

say() { printf 'kernels: %s\n' "$*"; }
die() {
    printf 'kernels: %s\n' "$*" >&2
    exit 1
}

[[ -e $objects/overlay.bpf.o ]] || die "$objects has no objects: make build first"
mkdir -p "$work"/{lists/partial,cache/archives/partial,deb}

# A list of sources of its own: this machine's stays as it is. Kernels of several releases of Debian, whose keys are on every Debian.
printf 'deb http://deb.debian.org/%s main\n' 'debian-security bullseye-security' 'debian bookworm' 'debian bookworm-backports' 'debian trixie-backports' >"$work/sources.list"
cat >"$work/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/nonexistent";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
EOF
export APT_CONFIG=$work/apt.conf
apt-get -qq update

# The newest cloud kernel of a version: 6.1 -> 6.1.0-50-cloud-amd64.
newest() {
    apt-cache search --names-only "^linux-image-${1//./\\.}(\.[0-9]+)+[-+][0-9a-z.+]+-cloud-amd64\$" | sed -n 's/^linux-image-\([^ ]*\) - .*/\1/p' | sort --version-sort | tail -n 1
}

# Unpacks the packages of a kernel; from Linux 6.19 on it is in several.
unpack() {
    local release=$1 tree=$2 package
    rm -rf "$tree"
    for package in image binary modules; do
        [[ $(apt-cache policy "linux-$package-$release") == *'Candidate: '[0-9]* ]] || continue
        (cd "$work/deb" && apt-get -qq download "linux-$package-$release")
        dpkg-deb --extract "$(ls -t "$work/deb/linux-$package-$release"_*.deb | head -n 1)" "$tree"
    done
}

# What boots: busybox, bpftool with its libraries, the objects, and the modules that conntrack is made of.
initramfs() {
    local release=$1 tree=$2 root=$work/root library module
    rm -rf "$root"
    mkdir -p "$root"/{bin,tools,proc,sys,dev,modules,objects,lib64}
    cp "$busybox" "$root/bin/busybox"
    for tool in bpftool setpriv; do
        cp "$(command -v "$tool")" "$root/tools/$tool"
        while read -r library; do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
        done < <(ldd "$(command -v "$tool")" | grep -o '/[^ ]*')
    done
    cp "$objects"/*.bpf.o "$root/objects"
    for module in libcrc32c nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack; do
        # Not every kernel has each of them as a module.
        library=$(find "$tree" -name "$module.ko*" | head -n 1)
        case $library in
        *.xz) xz --decompress --stdout "$library" >"$root/modules/$module.ko" ;;
        ?*) cp "$library" "$root/modules/$module.ko" ;;
        esac
    done
    cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/tools:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
for module in libcrc32c nf_defrag_ipv4 nf_defrag_ipv6 nf_conntrack; do
    [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done
try() {
    how=$1
    shift
    for object in overlay shortcut wire; do
        if said=$("$@" /tools/bpftool prog loadall /objects/$object.bpf.o /sys/fs/bpf/$how-$object 2>&1); then
            echo "RESULT|$object|$how|yes"
        else
            # What the verifier said last, or else libbpf.
            reason=$(echo "$said" | grep -B 1 '^processed ' | head -n 1)
            [ -n "$reason" ] || reason=$(echo "$said" | grep '^libbpf' | grep -v 'failed to load object' | tail -n 1)
            echo "RESULT|$object|$how|no|$reason"
        fi
    done
}
echo
# Linux before 5.11 counts maps against a limit, which a service sets in its unit.
ulimit -l unlimited
try all
try unprivileged /tools/setpriv --bounding-set -all,+bpf,+net_admin --inh-caps -all
echo "RESULT|end"
poweroff -f
EOF
    chmod 0755 "$root/init"
    (cd "$root" && find . | cpio --quiet --create --format=newc | gzip -1) >"$work/initrd-$release"
}

boot() {
    local release=$1 kernel=$2
    timeout "$patience" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu Nehalem -m 1024 -nodefaults -no-reboot -display none -serial stdio \
        -kernel "$kernel" -initrd "$work/initrd-$release" -append 'console=ttyS0 quiet panic=-1' </dev/null | tr -d '\r' >"$work/log-$release"
    grep -q '^RESULT|end' "$work/log-$release" || {
        tail -n 20 "$work/log-$release" >&2
        die "Linux $release did not get to its end, see above and $work/log-$release"
    }
}

answer() {
    local line
    line=$(grep "^RESULT|$2|$3|" "$work/log-$1")
    case $line in
    *'|yes') echo yes ;;
    *) echo "no: \`${line##*|}\`" ;;
    esac
}

rows=()
for version in "${versions[@]}"; do
    release=$(newest "$version")
    [[ -n $release ]] || die "Debian has no cloud kernel of version $version"
    say "Linux $release"
    unpack "$release" "$work/tree"
    initramfs "$release" "$work/tree"
    kernel=$(find "$work/tree" -name 'vmlinuz*' | head -n 1)
    boot "$release" "$kernel"
    row="| $release |"
    for object in overlay shortcut wire; do row+=" $(answer "$release" "$object" all) |"; done
    for object in overlay shortcut wire; do row+=" $(answer "$release" "$object" unprivileged) |"; done
    rows+=("$row")
    printf '%s\n' "$row"
done
rm -rf "$work/tree" "$work/root"
printf '%s\n' "${rows[@]}" >"$work/rows"
if [[ $# -gt 0 ]]; then
    say "docs/kernels.md stays as it is: not all kernels were asked"
    exit 0
fi
awk -v rows="$work/rows" '
    /<!-- table -->/ { print; getline; print; getline; print; while ((getline row < rows) > 0) print row; skip = 1; next }
    /<!-- end -->/ { skip = 0 }
    !skip' docs/kernels.md >"$work/kernels.md"
cat "$work/kernels.md" >docs/kernels.md
say "written: docs/kernels.md"
