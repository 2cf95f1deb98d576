#!/bin/bash
# Makes a machine the cluster's etcd. Runs again without harm.
#   $1  the address nodes reach it at
set -euo pipefail
address=$1

if ! command -v etcd etcdctl >/dev/null; then
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q --yes install etcd-server etcd-client
fi

cat >/etc/default/etcd <<EOF
ETCD_LISTEN_CLIENT_URLS=http://$address:2379,http://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=http://$address:2379
EOF
systemctl enable --quiet etcd
systemctl restart etcd

# The cluster's network, as flannel would want it too.
ETCDCTL_API=3 etcdctl put /coreos.com/network/config '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'
