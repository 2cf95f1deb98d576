#!/usr/bin/env bash
# Asks several kernels of Debian what of this project works on them, in virtual machines (QEMU without KVM). Of each kernel
#
#   one machine   has the verifier judge every eBPF object, with all capabilities and with few (scripts/kernels/verifier.init)
#   two machines  on one wire run the agent, as its unit does, with lane 3, and without CAP_PERFMON; containers talk (scripts/kernels/node.init)
#
# Compares with what is documented (scripts/kernels/expected), and writes the tables in docs/kernels.md. Needs root and Debian's archive; nothing of
# this machine is changed, and its network is not used: the wire is a socket in artifacts/.
#
#   scripts/kernels.sh [VERSION...]      of: 5.10 6.1 6.12 7 (the newest of 7); all of them if none is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# A user's PATH often lacks the sbin folders.
PATH=$PATH:/usr/sbin:/sbin
work=$PWD/artifacts/kernels
agent=$PWD/artifacts/accelerated
objects=$PWD/artifacts/dotnet/obj/Accelerated.Agent/release_linux-x64
busybox=$PWD/artifacts/tools/docker/20.10/bin/busybox
expected=scripts/kernels/expected
# Seconds for what one boot is asked.
patience=${PATIENCE:-600}
all=(5.10 6.1 6.12 7)
versions=("$@")
[[ $# -gt 0 ]] || versions=("${all[@]}")

say() { printf 'kernels: %s\n' "$*"; }
die() {
    printf 'kernels: %s\n' "$*" >&2
    exit 1
}

[[ -x $agent && -e $objects/overlay.bpf.o ]] || die "$agent or the objects in $objects are missing: make build first"
mkdir -p "$work"/{lists/partial,cache/archives/partial,deb}

# A list of sources of its own: this machine's stays as it is. Kernels of several releases of Debian, whose keys are on every Debian.
printf 'deb http://deb.debian.org/%s main\n' 'debian-security bullseye-security' 'debian bookworm' 'debian bookworm-backports' 'debian trixie-backports' >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/nonexistent";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
END
export APT_CONFIG=$work/apt.conf

# The newest cloud kernel of a version: 6.1 -> 6.1.0-50-cloud-amd64.
newest() {
    apt-cache search --names-only "^linux-image-${1//./\\.}(\.[0-9]+)+[-+][0-9a-z.+]+-cloud-amd64\$" | sed -n 's/^linux-image-\([^ ]*\) - .*/\1/p' | sort --version-sort | tail -n 1
}

# Unpacks the packages of a kernel; from Linux 6.19 on it is in several.
unpack() {
    local release=$1 tree=$2 package
    rm -rf "$tree"
    mkdir "$tree"
    for package in image binary modules; do
        [[ $(apt-cache policy "linux-$package-$release") == *'Candidate: '[0-9]* ]] || continue
        (cd "$work/deb" && apt-get -qq download "linux-$package-$release")
        dpkg-deb --extract "$(ls -t "$work/deb/linux-$package-$release"_*.deb | head -n 1)" "$tree"
    done
    # Newer packages have their modules below usr.
    [[ -e $tree/lib ]] || ln -s usr/lib "$tree/lib"
}

# --- what boots ---

# Puts a file and the libraries that it needs into a tree: add TREE FILE [PLACE]
add() {
    local library
    install -D "$2" "$1${3:-$2}"
    { ldd "$2" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r library; do
        [[ -e $1$library ]] || install -D "$library" "$1$library"
    done
}

# etcd and etcdctl from where the lab takes them.
etcd_tool() {
    local ours=$PWD/artifacts/tools/usr/bin/$1
    if [[ -x $ours ]]; then echo "$ours"; else command -v "$1"; fi
}

# The same for every kernel: busybox, the agent and the libraries that it loads by name, etcd, the tools of both scripts, the objects.
userland() {
    local root=$1 tool library
    rm -rf "$root"
    mkdir -p "$root"/{bin,tools,objects,proc,sys,dev,run,tmp,etc,var/lib}
    ln -s ../run "$root/var/run"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    cp "$busybox" "$root/bin/busybox"
    "$busybox" --list | grep -v '^busybox$' | while read -r tool; do ln -sf busybox "$root/bin/$tool"; done
    add "$root" "$agent" /tools/accelerated
    for tool in etcd etcdctl; do add "$root" "$(etcd_tool "$tool")" "/tools/$tool"; done
    add "$root" "$(command -v bash)" /bin/bash
    for tool in bpftool setpriv ip ping timeout; do add "$root" "$(command -v "$tool")" "/tools/$tool"; done
    for library in libbpf.so.1 libnftables.so.1 libsystemd.so.0 libssl.so.3; do
        add "$root" "$(ldconfig -p | awk -v name="$library" '$1 == name && /x86-64/ { print $NF; exit }')"
    done
    cp "$objects"/*.bpf.o "$root/objects"
    install scripts/kernels/*.init "$root"
}

# The modules that a node may ask for, with those that they need, where modprobe finds them.
modules() {
    local release=$1 tree=$2 root=$3 folder=lib/modules/$1 name action path target
    local wanted=(-false)
    for name in virtio_pci virtio_net vxlan bridge veth sch_ingress cls_bpf xfrm_user nf_conntrack 'nf_tables*' 'nft_*'; do wanted+=(-o -name "$name.ko*"); done
    rm -rf "$root/lib/modules"
    command -v depmod >/dev/null || die "depmod is missing: scripts/deps.sh kernels installs it (package kmod)"
    depmod --basedir "$tree" "$release" 2>/dev/null
    # What is not there is built in. (depmod warns of lists of built-in modules that newer packages do not have.)
    find "$tree/$folder/" "${wanted[@]}" | sed -n 's:.*/\(.*\)\.ko.*:\1:p' | while read -r name; do
        modprobe --show-depends --dirname "$tree" --set-version "$release" "$name"
    done | sort -u | while read -r action path _; do
        [[ $action == insmod ]] || continue
        target=$root/$folder/${path#*"/$folder/"}
        mkdir -p "$(dirname "$target")"
        case $path in
        *.xz) xz --decompress --stdout "$path" >"${target%.xz}" ;;
        *) cp "$path" "$target" ;;
        esac
    done
    depmod --basedir "$root" "$release" 2>/dev/null
}

# --- the machines ---

machines=()
stop_machines() {
    local pid
    for pid in "${machines[@]}"; do kill "$pid" 2>/dev/null || true; done
    # Ignoring what they end with: those that were stopped are not asked.
    wait "${machines[@]}" 2>/dev/null || true
    machines=()
}
trap stop_machines EXIT

# Starts a machine with the kernel and the files that lie in the work folder: machine LOG WORDS-OF-THE-COMMAND-LINE OPTION...
# clearcpuid=141: QEMU 7.2 now and then leaves an address in the flags behind cmpxchg16b, and the kernel dies of the trap flag. It does without.
machine() {
    local log=$1 words=$2
    shift 2
    timeout "$patience" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu Nehalem -m 1024 -nodefaults -no-reboot -display none \
        -serial "file:$log" -kernel "$work/vmlinuz" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 clearcpuid=141 $words" "$@" </dev/null &
    machines+=($!)
}

# What a machine said on its console, or the end of that for whoever wonders why there is none: results LOG [LOG-OF-ANOTHER]
results() {
    local log
    if ! tr -d '\r' <"$1" | grep '^RESULT|end' >/dev/null; then
        for log in "$@"; do
            printf '%s:\n' "$log"
            tail -n 60 "$log"
        done >&2
        die "the machine did not get to its end, see above"
    fi
    tr -d '\r' <"$1" | sed -n 's/^RESULT|//p' | grep -v '^end'
}

verifier() {
    machine "$work/verifier.log" rdinit=/verifier.init
    # Whatever QEMU ends with, the machine's own last word decides: results asks for it.
    wait "${machines[0]}" || true
    stop_machines
    results "$work/verifier.log"
}

# Two nodes on one wire. Node 1's card has mergeable buffers, which QEMU's cards have unless told otherwise, node 2's has not: lane 3 is shown on both.
pair() {
    local wire=$work/wire end=$((SECONDS + 10)) card=virtio-net-pci,netdev=wire,romfile=
    rm -f "$wire"
    machine "$work/node1.log" 'rdinit=/node.init node=1' -netdev "stream,id=wire,server=on,addr.type=unix,addr.path=$wire" -device "$card,mac=52:54:00:00:00:01,mrg_rxbuf=on"
    until [[ -S $wire ]]; do
        ((SECONDS < end)) || die "QEMU has not made $wire in 10 s"
        sleep 0.1
    done
    machine "$work/node2.log" 'rdinit=/node.init node=2' -netdev "stream,id=wire,server=off,addr.type=unix,addr.path=$wire" -device "$card,mac=52:54:00:00:00:02,mrg_rxbuf=off"
    # As above: results asks for node 1's last word.
    wait "${machines[0]}" || true
    stop_machines
    results "$work/node1.log" "$work/node2.log"
}

# --- what it comes to: the functions here read results ---

# The objects that pass with these capabilities, separated by commas: passing CAPABILITIES
passing() { awk -F '|' -v how="$1" '$1 == "verifier" && $2 == how && $4 == "yes" { list = list (list ? "," : "") $3 } END { print list ? list : "-" }'; }

# What carried packets in a scene: kernel, or lanes with how many packets each took on both nodes: carriers SCENE
# A lane counts if it is on in each of its directions on both nodes and has taken packets there; lane 3 is asked for on node 2 alone.
carriers() {
    awk -F '|' -v scene="$1" '
        $1 != scene { next }
        $3 == "datapath" { path = path && path != $4 ? "mixed" : $4 }
        $3 == "lane" && $4 ~ /^[123] / {
            lane = substr($4, 1, 1)
            if (lane == 3 && $2 == 1) next
            taken[lane] += $6
            if ($5 != "null") off[lane] = 1
            else if ($6 == 0) idle[lane] = 1
        }
        END {
            if (path != "bpf") { print path; exit }
            for (lane = 1; lane <= 3; lane++)
                if (lane in taken && !(lane in off)) list = list (list ? " " : "") lane (lane in idle ? "-idle" : "") "=" taken[lane]
            print list ? list : "none"
        }'
}

# The same without the numbers: 1,2
lanes() { carriers "$1" | sed 's/=[0-9]*//g; s/ /,/g'; }

# Why a lane, or all of them, is off, by node 2's word, without what status has in brackets; but for a capability that is missing: why SCENE
why() {
    sed -n "s/^$1|2|reason|//p" | awk '
        function short(text) { sub(/ \(.*/, "", text); return text }
        /^the eBPF lanes are off/ {
            printf "; %s", short($0)
            if (match($0, /give the service CAP_[A-Z]+/)) printf " (%s)", substr($0, RSTART, RLENGTH)
            next
        }
        {
            count = split($0, parts, "; ")
            for (i = 1; i <= count; i++) if (parts[i] ~ /^lane [23] (closed|off|guards):/) printf "; %s", short(parts[i])
        }'
}

# What node 1's card, with mergeable buffers, made of lane 3.
mergeable() {
    awk -F '|' '$1 == "xdp" && $2 == 1 && $4 == "3 in" { printf "%s%d taken%s%s", $5 == "null" ? "" : $5 "; ", $6, $8 ? ", passed on: " : "", $8 }'
}

# Notes where a kernel is not as documented: compare VERSION RELEASE
surprises=()
compare() {
    local said=$work/results-$2 all bare unit xdp few claim what documented seen
    read -r _ all bare unit xdp few < <(grep "^$1 " "$expected") || die "$expected says nothing of Linux $1"
    while IFS='|' read -r what documented seen; do
        [[ $documented == "$seen" ]] || surprises+=("Linux $2: $what: $seen ($expected: $documented)")
    done <<END
objects that pass the verifier|$all|$(passing all <"$said")
objects that pass it with few capabilities|$bare|$(passing few <"$said")
packets are carried by|$unit|$(lanes unit <"$said")
packets are carried with --xdp=on by|$xdp|$(lanes xdp <"$said")
packets are carried without CAP_PERFMON by|$few|$(lanes few <"$said")
END
    while IFS='|' read -r _ what seen claim; do
        [[ $seen == yes ]] || surprises+=("Linux $2: lane 3, $what: $claim")
    done < <(grep '^lane3|' "$said" || true)
}

# --- the tables ---

row_of_objects() {
    local said=$1 how object verdict row=
    for how in all few; do
        for object in overlay shortcut wire; do
            IFS='|' read -r _ _ _ verdict < <(grep "^verifier|$how|$object|" "$said")
            row+=" | $(sed 's/^no|\(.*\)/no: `\1`/' <<<"$verdict")"
        done
    done
    echo "$row |"
}

row_of_nodes() {
    local said=$1 scene row=
    for scene in unit xdp few; do
        row+=" | $(carriers "$scene" <"$said" | sed 's/\([1-3]\)=\([0-9]*\)/lane \1 (\2 packets)/g; s/) lane/), lane/g; s/^kernel$/the driver/')"
        row+=$(why "$scene" <"$said")
    done
    echo "$row |"
}

# Nothing for a kernel whose lane 3 does not run.
row_of_lane3() {
    local said=$1 check row=
    grep '^lane3|' "$said" >/dev/null || return 0
    for check in forged killed started off theirs alone; do row+=" | $(sed -n "s/^lane3|$check|[a-z]*|//p" "$said")"; done
    echo "$row | $(mergeable <"$said") |"
}

# Writes the rows of this run into a table in docs/kernels.md; other kernels keep theirs: write NAME
write() {
    local version
    for version in "${all[@]}"; do
        # Of this run, else of the page as it is, else none: a kernel without lane 3 has no row in its table.
        cat "$work/rows-$1-$version" 2>/dev/null || sed -n "/<!-- $1 -->/,/<!-- end -->/p" docs/kernels.md | grep "^| ${version//./\\.}\.[0-9]" || true
    done >"$work/rows-$1"
    awk -v name="<!-- $1 -->" -v rows="$work/rows-$1" '
        $0 == name { print; getline; print; getline; print; while ((getline row < rows) > 0) print row; skip = 1; next }
        /<!-- end -->/ { skip = 0 }
        !skip' docs/kernels.md >"$work/kernels.md"
    cat "$work/kernels.md" >docs/kernels.md
}

# --- all kernels ---

apt-get -qq update
userland "$work/root"
rm -f "$work"/rows-*
for version in "${versions[@]}"; do
    release=$(newest "$version")
    [[ -n $release ]] || die "Debian has no cloud kernel of version $version"
    say "Linux $release"
    unpack "$release" "$work/tree"
    cp "$(find "$work/tree" -name 'vmlinuz*' | head -n 1)" "$work/vmlinuz"
    modules "$release" "$work/tree" "$work/root"
    (cd "$work/root" && find . | cpio --quiet --create --format=newc) >"$work/initrd"
    { verifier; pair; } >"$work/results-$release"
    cat "$work/results-$release"
    compare "$version" "$release"
    for table in objects nodes lane3; do "row_of_$table" "$work/results-$release" | sed "s/^/| $release/" >"$work/rows-$table-$version"; done
done
rm -rf "$work/tree" "$work/root" "$work/vmlinuz" "$work/initrd"
cat "$work"/rows-*

if [[ ${#surprises[@]} -gt 0 ]]; then
    printf 'kernels: %s\n' "${surprises[@]}" >&2
    die "docs/kernels.md stays as it is: that is not what is documented"
fi
for table in objects nodes lane3; do write "$table"; done
say "written: docs/kernels.md"
