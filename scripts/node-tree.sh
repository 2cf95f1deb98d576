#!/usr/bin/env bash
# Makes what the machines of the systemd tests boot from: a small Debian with systemd, in artifacts/tools/node/tree. Needs root and Debian's
# archive. Does nothing when the tree is there and was made by this very recipe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=artifacts/tools/node
recipe=$(sha256sum <"${BASH_SOURCE[0]}" | cut -d ' ' -f 1)
is_made() { [[ -e $folder/recipe && $(<"$folder/recipe") == "$recipe" ]]; }
if is_made; then exit 0; fi
[[ ${1:-} != --check ]] || exit 1
# In a mount namespace of its own: what debootstrap mounts in the tree goes with the last process, however that ends. A /proc that is left there is
# one that somebody's next rm -rf walks into.
if [[ ${1:-} != --apart ]]; then exec unshare --mount --propagation private scripts/node-tree.sh --apart; fi

mkdir -p "$folder"
exec 4>"$folder/lock"
flock 4
if is_made; then exit 0; fi
rm -rf --one-file-system "$folder"/new-*
echo "deps: making a small Debian for the machines of the systemd tests in $folder/tree"
work=$(mktemp -d "$folder/new-XXXXXX")
cleanup() {
    # Failing is fine: as a rule nothing is mounted any more, and what is goes with the namespace. The removal stays on its side of it.
    umount --recursive --quiet "$work"/tree/{proc,sys} || true
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
log=$folder/log
exec 3>&1 >"$log" 2>&1
fail() {
    tail -n 30 "$log" >&3
    echo "deps: the tree for the systemd tests cannot be made, see above and $log" >&3
}
trap fail ERR

debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,udev,iproute2,iputils-ping,iptables,nftables,procps,libbpf1,libnftables1,ca-certificates \
    bookworm "$work/tree" http://deb.debian.org/debian
tree=$work/tree
# Packages whose dependencies debootstrap cannot put in order. Nothing in there may start on this machine.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 0755 "$tree/usr/sbin/policy-rc.d"
chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o Dpkg::Use-Pty=0 install --yes --no-install-recommends network-manager firewalld
rm "$tree/usr/sbin/policy-rc.d"
# What a machine of a few minutes does not need; a test that wants NetworkManager or firewalld starts it.
chroot "$tree" systemctl --quiet disable firewalld.service NetworkManager.service NetworkManager-dispatcher.service NetworkManager-wait-online.service
chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-pstore.service getty.target console-getty.service
chroot "$tree" systemctl --quiet enable systemd-networkd.service
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb "$tree"/usr/share/{doc,man,locale}/* "$tree/debootstrap"
# Each machine gets an id, a name and servers of its own.
rm -f "$tree"/etc/{machine-id,hostname,resolv.conf} "$tree/var/lib/dbus/machine-id"

rm -rf "$folder/tree" "$folder/recipe"
mv "$tree" "$folder/tree"
echo "$recipe" >"$folder/recipe"
