#!/usr/bin/env bash
# Makes the Debian package out of what is built: artifacts/accelerated_VERSION_amd64.deb. The same input gives the same bytes.
#
#   VERSION=…       another than that of Directory.Build.props
#   OUTPUT=…        another folder than artifacts
#   COMPRESSION=…   as dpkg-deb -Z has it; none is quickest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${VERSION:-$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
package=${OUTPUT:-artifacts}/accelerated_${version}_amd64.deb

# A folder of this run's own: two may package at once.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"
umask 022
scripts/install.sh "$tree" "$version"

documents=$tree/usr/share/doc/accelerated
install -m 0644 packaging/debian/copyright "$documents/copyright"
install -D -m 0644 packaging/debian/lintian-overrides "$tree/usr/share/lintian/overrides/accelerated"
sed "s/@VERSION@/$version/; s/@DATE@/$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")/" packaging/debian/changelog | gzip -9n >"$documents/changelog.gz"

install -d -m 0755 "$tree/DEBIAN"
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
sed "s/@VERSION@/$version/; s/@SIZE@/$size/" packaging/debian/control >"$tree/DEBIAN/control"
install -m 0644 packaging/debian/conffiles "$tree/DEBIAN/conffiles"
install -m 0755 packaging/debian/{postinst,prerm,postrm} "$tree/DEBIAN/"
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
# The highest level would take ten times as long for a tenth less: most of it is compiled code.
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" -z1 --build "$tree" "$package.new" >/dev/null
mv "$package.new" "$package"
echo "package: $package"
