#!/usr/bin/env bash
# Makes a Vagrant box for libvirt out of Debian packages, for machines that cannot fetch one: artifacts/vagrant/accelerated.box. It has what the
# provisioning installs elsewhere (Docker, etcd, bpftool, busybox), so that its machines need no network but their own. Needs root.
#
# The disk is one file system without partitions, booted by extlinux: it can be made without a virtual machine, and without loop partitions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suite=bookworm
mirror=http://deb.debian.org/debian
folder=artifacts/vagrant
box=$folder/accelerated.box
recipe=$(sha256sum <"${BASH_SOURCE[0]}" | cut -d ' ' -f 1)
if [[ -e $box && $(cat "$box.recipe" 2>/dev/null) == "$recipe" ]]; then exit 0; fi
[[ $EUID -eq 0 ]] || {
    echo "vagrant-box: root is needed to make the file system: run it as root" >&2
    exit 1
}
# In a mount namespace of its own: whatever is mounted below goes with the last process, however that ends.
if [[ ${1:-} != --apart ]]; then exec unshare --mount --propagation private scripts/vagrant-box.sh --apart; fi

mkdir -p "$folder"
work=$(mktemp -d "$PWD/$folder/box-XXXXXX")
cleanup() {
    # Failing is fine: as a rule nothing is mounted any more, and what is goes with the namespace. The removal stays on its side of it.
    umount --recursive --quiet "$work"/tree/{proc,sys} "$work/mount" || true
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
tree=$work/tree

echo "vagrant-box: a Debian $suite (some minutes)"
debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,udev,openssh-server,sudo,iproute2,iputils-ping,procps,ca-certificates,linux-image-cloud-amd64,initramfs-tools,zstd \
    "$suite" "$tree" "$mirror" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}

# What would be started here must not be.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 0755 "$tree/usr/sbin/policy-rc.d"
chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o Dpkg::Use-Pty=0 install --yes --no-install-recommends \
    docker.io apparmor bpftool busybox-static etcd-server etcd-client libbpf1 libnftables1 libsystemd0 nftables iptables tcpdump >>"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}
rm "$tree/usr/sbin/policy-rc.d"
# Installed for those machines that want them; the provisioning says which. Ignoring failures: which of the units a package has differs by release.
for unit in etcd docker containerd; do chroot "$tree" systemctl --quiet disable "$unit.service" || true; done
chroot "$tree" systemctl --quiet disable docker.socket || true
chroot "$tree" systemctl --quiet enable systemd-networkd.service ssh.service serial-getty@ttyS0.service
chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb "$tree"/usr/share/{doc,man,locale}/*

echo "vagrant-box: the user and the network that Vagrant expects"
chroot "$tree" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/vagrant"
chmod 0440 "$tree/etc/sudoers.d/vagrant"
# Vagrant's well-known key pair: these machines are on a network of this host only.
install -d -m 0700 "$tree/home/vagrant/.ssh"
install -m 0600 "$(dirname "$(dpkg-query --listfiles vagrant | grep 'keys/vagrant.pub$')")/vagrant.pub" "$tree/home/vagrant/.ssh/authorized_keys"
chroot "$tree" chown -R vagrant:vagrant /home/vagrant/.ssh
printf 'PubkeyAcceptedAlgorithms +ssh-rsa\nUseDNS no\n' >"$tree/etc/ssh/sshd_config.d/vagrant.conf"
cat >"$tree/etc/systemd/network/80-first.network" <<'EOF'
# The first interface, by which Vagrant reaches the machine; the others get files of their own from it.
[Match]
Name=eth0 ens* enp*

[Network]
DHCP=ipv4

[DHCPv4]
ClientIdentifier=mac
EOF
# Names by order: Vagrant counts eth0, eth1.
ln -sf /dev/null "$tree/etc/systemd/network/99-default.link"
echo '127.0.0.1 localhost' >"$tree/etc/hosts"
: >"$tree/etc/machine-id"
rm -f "$tree/var/lib/dbus/machine-id" "$tree"/etc/ssh/ssh_host_*
cat >"$tree/etc/systemd/system/host-keys.service" <<'EOF'
[Unit]
Description=Keys of this host's own
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
EOF
chroot "$tree" systemctl --quiet enable host-keys.service
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$tree/etc/fstab"

echo "vagrant-box: the disk"
kernel=$(basename "$(readlink -f "$tree"/vmlinuz 2>/dev/null || ls "$tree"/boot/vmlinuz-* | tail -n 1)")
cat >"$tree/boot/extlinux.conf" <<EOF
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
    KERNEL /boot/$kernel
    APPEND root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet
    INITRD /boot/${kernel/vmlinuz/initrd.img}
EOF
truncate --size 4G "$work/box.raw"
mkfs.ext4 -q -F -L root -O '^64bit,^metadata_csum' -d "$tree" "$work/box.raw"
mkdir "$work/mount"
mount -o loop "$work/box.raw" "$work/mount"
extlinux --install "$work/mount/boot" >>"$work/log" 2>&1
umount "$work/mount"
# The boot record of a disk without partitions is extlinux's own sector, which --install has written.
qemu-img convert -c -O qcow2 "$work/box.raw" "$work/box.img"

echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 4}' >"$work/metadata.json"
cat >"$work/Vagrantfile" <<'EOF'
Vagrant.configure("2") do |config|
  config.vm.provider(:libvirt) { |libvirt| libvirt.disk_bus = "virtio" }
end
EOF
tar -C "$work" -czf "$box.new" metadata.json Vagrantfile box.img
mv "$box.new" "$box"
echo "$recipe" >"$box.recipe"
echo "vagrant-box: $box ($(du -h "$box" | cut -f 1))"
