#!/usr/bin/env bash
# Builds the lab's host image: a plain Debian 13 with systemd and sshd, as a cloud provider would hand it over,
# from the Debian mirror alone (no registry is needed).
#
# usage: build.sh TAG LABEL [PACKAGE...]     packages are downloaded into the image, not installed: roles install
#                                            them from the image's own archive, offline and in seconds
#
# A half-built tree is never tagged: the import is the last step, and a second run starts from nothing.
set -euo pipefail

tag=$1 label=$2
shift 2
suite=trixie
mirror=${UPSTAIRS_DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/upstairs-image.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

say() { printf '  image | %s\n' "$*"; }

inside() { chroot "$work" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

say "debootstrap $suite (about a minute)"
# The host's own keyring may be older than the suite (Debian 12 knows Debian 13's keys; older hosts do not).
debootstrap --variant=minbase \
  --include=systemd,systemd-sysv,dbus,python3,python3-apt,sudo,iproute2,ca-certificates,procps,curl,openssh-server \
  "$suite" "$work" "$mirror" > "$work.log" 2>&1 || { tail -20 "$work.log" >&2; exit 1; }
rm -f "$work.log"

cat > "$work/etc/apt/sources.list" <<EOF
deb $mirror $suite main
deb $mirror $suite-updates main
deb ${mirror%/debian}/debian-security $suite-security main
EOF
# fsync after every unpacked file protects a disk that outlives a power cut; a lab host does not.
echo force-unsafe-io > "$work/etc/dpkg/dpkg.cfg.d/lab"

say "bring it up to date and download $# packages"
cp /etc/resolv.conf "$work/etc/resolv.conf"
{
  inside apt-get update -q
  inside apt-get dist-upgrade -q -y
  inside apt-get clean
  if (($#)); then inside apt-get install -q -y --no-install-recommends --download-only "$@"; fi
  install -m 0755 "$(dirname "$0")/known_packages.sh" "$work/usr/local/sbin/known_packages"
  inside /usr/local/sbin/known_packages
} > "$work.log" 2>&1 || { tail -20 "$work.log" >&2; exit 1; }
rm -f "$work.log" "$work/etc/resolv.conf"

say "the first administrator and the host keys' unit"
# As a cloud image does: one account with sudo and no password. Its key comes when a host is created.
inside useradd --create-home --shell /bin/bash ops
echo 'ops ALL=(ALL) NOPASSWD: ALL' > "$work/etc/sudoers.d/ops"
chmod 0440 "$work/etc/sudoers.d/ops"
# Host keys belong to a host, not to an image.
rm -f "$work"/etc/ssh/ssh_host_* "$work/etc/machine-id"
: > "$work/etc/machine-id"
cat > "$work/etc/systemd/system/ssh-host-keys.service" <<'EOF'
[Unit]
Description=Make the SSH host keys of this host
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
RemainAfterExit=yes
[Install]
WantedBy=multi-user.target
EOF
inside systemctl enable -q ssh-host-keys.service ssh.service
# They run at each `systemctl daemon-reload`, and so several times for each package with a unit: half of what it costs, for disks, consoles
# and resumes that these hosts do not have.
install -d "$work/etc/systemd/system-generators"
for name in debug gpt-auto hibernate-resume rc-local run ssh system-update tpm2; do
  ln -s /dev/null "$work/etc/systemd/system-generators/systemd-$name-generator"
done
# The tiny app's repository is mounted from the controller and belongs to another user there.
printf '[safe]\n\tdirectory = *\n' > "$work/etc/gitconfig"

# A fifth of what a module of Ansible's costs a host is compiling the same sources at every start.
install -m 0644 "$(dirname "$0")/remember_compiled.py" "$work/usr/lib/python3/dist-packages/remember_compiled.py"
echo 'import remember_compiled' > "$work/usr/lib/python3/dist-packages/remember_compiled.pth"
install -d -m 0755 "$work/var/cache/lab-python"
# Most of the rest is importing, again at every start.
install -m 0755 "$(dirname "$0")/warm-python" "$work/usr/local/bin/warm-python"
install -D -m 0644 "$(dirname "$0")/warm_python.py" "$work/usr/local/libexec/warm_python.py"
install -m 0644 "$(dirname "$0")/warm-python.service" "$work/etc/systemd/system/warm-python.service"
inside systemctl enable -q warm-python.service

say "import as $tag"
tar -C "$work" -c . | podman import --change "LABEL $label" - "$tag" > /dev/null
