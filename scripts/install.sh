#!/usr/bin/env bash
# Puts the built agent and what belongs to it where a Debian system has it, below DESTDIR.
#
#   scripts/install.sh DESTDIR VERSION     DESTDIR may be empty: this machine. Starts nothing; that is the package's business, or yours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
destination=$1
version=$2

# put MODE SOURCE TARGET
put() { install -D -m "$1" "$2" "$destination$3"; }

put 0755 artifacts/accelerated /usr/bin/accelerated
put 0644 packaging/systemd/accelerated.service /lib/systemd/system/accelerated.service
put 0644 packaging/systemd/docker.conf /lib/systemd/system/docker.service.d/50-accelerated.conf
put 0644 packaging/systemd/containerd.conf /lib/systemd/system/containerd.service.d/50-accelerated.conf
put 0644 packaging/systemd/tmpfiles.conf /usr/lib/tmpfiles.d/accelerated.conf
put 0644 packaging/network/accelerated.link /lib/systemd/network/70-accelerated.link
put 0644 packaging/network/accelerated.network /lib/systemd/network/70-accelerated.network
put 0644 packaging/network/NetworkManager.conf /usr/lib/NetworkManager/conf.d/50-accelerated.conf
put 0644 packaging/network/sysctl.conf /usr/lib/sysctl.d/50-accelerated.conf
put 0644 packaging/dbus/org.accelerated.Agent1.conf /usr/share/dbus-1/system.d/org.accelerated.Agent1.conf
put 0644 packaging/bash-completion /usr/share/bash-completion/completions/accelerated
put 0644 packaging/systemd/docker-ce.conf /usr/share/doc/accelerated/examples/docker-ce.conf
for page in install operations flags from-flannel; do
    put 0644 "docs/$page.md" "/usr/share/doc/accelerated/$page.md"
done
# Settings are the operator's: what is there stays.
[[ -e $destination/etc/accelerated/agent.env ]] || put 0644 packaging/agent.env /etc/accelerated/agent.env

# The manual's flags are those the program names. A dash would become a hyphen, and a dot or quote at the beginning of a line a request.
flags=$(artifacts/accelerated agent --help | awk '
    function escape(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); if (text ~ /^[.\x27]/) text = "\\\\&" text; return text }
    /^  --/ { print ".TP"; print ".B " escape(substr($0, 3)); next }
    /^        / { print escape(substr($0, 9)) }')
install -d -m 0755 "$destination/usr/share/man/man8"
while IFS= read -r line; do
    case $line in
    @FLAGS@) printf '%s\n' "$flags" ;;
    *) printf '%s\n' "${line//@VERSION@/$version}" ;;
    esac
done <packaging/accelerated.8.in | gzip -9n >"$destination/usr/share/man/man8/accelerated.8.gz"
chmod 0644 "$destination/usr/share/man/man8/accelerated.8.gz"
