#!/bin/bash
# Makes a machine a node: Docker, and the agent from the package. Runs again without harm.
#   $1  where etcd is   $2  this node's address on the underlay
set -euo pipefail
etcd=$1 address=$2
package=/tmp/accelerated.deb

if [[ ! -e $package ]]; then
    echo "there is no package to install: run 'make package' and provision again (vagrant provision)" >&2
    exit 1
fi

# Docker; bpftool to look at the maps; a static busybox, of which the containers' image is made: no registry is needed.
missing=()
for pair in dockerd:docker.io apparmor_parser:apparmor bpftool:bpftool busybox:busybox-static; do
    [[ -n $(PATH=$PATH:/usr/sbin command -v "${pair%%:*}") ]] || missing+=("${pair#*:}")
done
if [[ ${#missing[@]} -gt 0 ]]; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q --yes install "${missing[@]}"
fi

# Before the package is there: it starts the service when it finds etcd's address.
mkdir -p /etc/accelerated
cat >/etc/accelerated/agent.env <<EOF
FLANNELD_ETCD_ENDPOINTS=$etcd
# The machine has another interface, by which it reaches the world.
FLANNELD_IFACE=$address
EOF
DEBIAN_FRONTEND=noninteractive apt-get -q --yes --allow-downgrades -o Dpkg::Options::=--force-confold install "$package"
systemctl enable --now --quiet accelerated

# Docker's bridge gets the node's subnet; containers of before are made anew.
systemctl enable --quiet docker
systemctl restart docker
if ! docker image inspect busybox:local >/dev/null 2>&1; then
    tree=$(mktemp -d)
    mkdir -p "$tree/bin" "$tree/etc" "$tree/www"
    cp "$(command -v busybox)" "$tree/bin/busybox"
    for tool in sh ping ip wget httpd hostname sleep timeout; do ln -s busybox "$tree/bin/$tool"; done
    tar -C "$tree" -c . | docker import - busybox:local >/dev/null
    rm -rf "$tree"
fi

# A container that answers, and comes back with the machine. Ignoring failure: there is none yet the first time.
docker rm -f web >/dev/null 2>&1 || true
docker run --detach --name web --restart=always --publish 8080:80 busybox:local \
    /bin/sh -c 'hostname >/www/index.html; exec /bin/httpd -f -p 80 -h /www' >/dev/null
accelerated status
