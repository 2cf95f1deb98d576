#!/bin/bash
# Shows from outside that the cluster of the Vagrantfile works: containers of two nodes reach each other over the lanes, also after a reboot and
# where one node has the kernel's driver. Ends with "ok", or at the first thing that is not so. Needs machines that are up (make vagrant-up).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export VAGRANT_CHECKPOINT_DISABLE=1
patience=${PATIENCE:-120}

say() { printf '\n== %s\n' "$*"; }
die() {
    printf 'smoke: %s\n' "$*" >&2
    # Ignoring failures: a node that does not answer is one of the reasons to be here.
    for node in node1 node2; do
        on "$node" 'sudo accelerated status; sudo journalctl --no-pager --lines=30 --unit=accelerated' || true
    done
    exit 1
}

# Runs a command line on a machine. By ssh itself: vagrant takes seconds to start.
config=$(mktemp)
trap 'rm -f "$config"' EXIT
vagrant ssh-config >"$config"
on() { ssh -F "$config" -o LogLevel=ERROR -o ConnectTimeout=5 "$1" "$2" </dev/null; }

# Tries until it succeeds, for as long as patience lasts: emulated machines take their time.
until_so() {
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || die "waited $patience s for: $what"
        sleep 2
    done
}

is_well() { on "$1" 'sudo accelerated status' | grep -q '^ok'; }
address_of() { on "$1" "sudo docker inspect --format '{{.NetworkSettings.IPAddress}}' web"; }
reaches() { [[ $(on "$1" "sudo docker exec web timeout 5 wget -q -O - http://$2/") != '' ]]; }

# Containers of both nodes reach each other, both ways, and every packet arrives.
talk() {
    local first second said
    until_so "a container on node1" address_of node1
    until_so "a container on node2" address_of node2
    first=$(address_of node1) second=$(address_of node2)
    until_so "an answer of $second to a container on node1" reaches node1 "$second"
    until_so "an answer of $first to a container on node2" reaches node2 "$first"
    said=$(on node1 "sudo docker exec web ping -c 20 -i 0.2 $second") || die "$said"
    echo "$said" | tail -n 3
    [[ $said == *' 0% packet loss'* ]] || die "packets were lost between $first and $second"
}

datapath_of() { on "$1" 'sudo accelerated status --json' | tr -d ' ' | grep -o '"datapath":"[a-z-]*"' | cut -d '"' -f 4; }
has_datapath() { [[ $(datapath_of "$1") == "$2" ]]; }

say 'both nodes are well'
for node in node1 node2; do
    until_so "$node to be well" is_well "$node"
    on "$node" 'sudo accelerated status'
done

say 'containers reach each other by address'
talk

say 'over the eBPF lanes: their counters, and the map of subnets on node1'
until_so "the lanes of node1" has_datapath node1 bpf
until_so "the lanes of node2" has_datapath node2 bpf
on node1 'sudo accelerated status --json' | tr -d ' \n' | grep -o '"lanes":\[.*\],"guard"' | sed 's/,"guard"//; s/},{/},\n  {/g'
on node1 'sudo bpftool map dump pinned $(sudo find /sys/fs/bpf/accelerated/default -name subnets)'

say 'node2 is booted anew: the same subnet, and the same container answers'
before=$(on node2 'grep FLANNEL_SUBNET /run/flannel/subnet.env; cat /proc/sys/kernel/random/boot_id')
# Ignoring failure: the connection may end with the machine.
on node2 'sudo systemctl reboot' || true
booted() { local now; now=$(on node2 'cat /proc/sys/kernel/random/boot_id') && [[ -n $now && $before != *"$now"* ]]; }
until_so "node2 to come back" booted
until_so "node2 to be well" is_well node2
[[ $before == *"$(on node2 'grep FLANNEL_SUBNET /run/flannel/subnet.env')"* ]] || die "node2 has another subnet than before: $before"
talk

say 'a mixed pair: node2 with the driver of the kernel'
on node2 'echo ACCELERATED_DATAPATH=kernel | sudo tee -a /etc/accelerated/agent.env >/dev/null; sudo systemctl restart accelerated'
until_so "the driver on node2" has_datapath node2 kernel
talk
on node2 "sudo sed -i /ACCELERATED_DATAPATH/d /etc/accelerated/agent.env; sudo systemctl restart accelerated"
until_so "the lanes of node2" has_datapath node2 bpf

say 'ok'
