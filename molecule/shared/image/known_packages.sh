#!/bin/sh
# Lets apt know only the packages that are installed or lie in its archive, or in the directories that are named: what a lab's host
# can install at all. Debian's 60,000 others cost apt two seconds of processor whenever a package was installed, and ten times as
# much on a processor that is emulated. `apt-get update` brings them back when the archive has changed, or when /var/lib/apt/lists is empty.
#
# usage: known_packages.sh [DIRECTORY OF ARCHIVES]...
set -eu
# A roll asks for the kernel's package on containers too, which have none.
names="linux-image-cloud-amd64
$(dpkg-query --show --showformat '${Package}\n'; ls /var/cache/apt/archives "$@" | sed -n 's/_.*\.deb$//p')"
for list in /var/lib/apt/lists/*_Packages; do
  awk -v names="$names" 'BEGIN { RS = ""; ORS = "\n\n"; split(names, all, "\n"); for (i in all) known[all[i]] } $2 in known' "$list" > "$list.known"
  mv "$list.known" "$list"
done
rm -f /var/lib/apt/lists/*_Translation-* /var/cache/apt/*.bin
apt-cache stats > /dev/null
