# What the programs of this directory share: where things are, and how a tree becomes a machine's.
set -euo pipefail

vm=/vm
# The same for all, so that one boot loader configuration fits all.
boot_uuid=0b007000-0000-4000-8000-000000000001
root_uuid=0b007000-0000-4000-8000-000000000002

say() { printf '  vm | %s\n' "$*"; }

# quiet COMMAND...: its output only where it fails
quiet() { "$@" > "$vm/log" 2>&1 || { tail -30 "$vm/log" >&2; exit 1; }; }

# inside TREE COMMAND...: in a tree, as an installer would
inside() {
  local tree=$1
  shift
  chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    TERM=dumb "$@"
}

# mounted TREE / unmounted TREE: what package scripts need
mounted() {
  mount -t proc proc "$1/proc"
  mount --bind /dev "$1/dev"
  mkdir -p "$1/var/cache/apt/archives"
  mount --bind "$vm/archives" "$1/var/cache/apt/archives"
}
unmounted() { umount "$1/var/cache/apt/archives" "$1/dev" "$1/proc"; }

# install_into TREE PACKAGE...: from the archives of this image, starting nothing
install_into() {
  local tree=$1
  shift
  printf '#!/bin/sh\nexit 101\n' > "$tree/usr/sbin/policy-rc.d"
  chmod 0755 "$tree/usr/sbin/policy-rc.d"
  quiet inside "$tree" apt-get install -q -y --no-install-recommends --no-download --allow-downgrades "$@"
  rm "$tree/usr/sbin/policy-rc.d"
}

# settings TREE: what a provider's image says of its disk and its console
settings() {
  printf 'UUID=%s / ext4 errors=remount-ro 0 1\nUUID=%s /boot ext4 defaults 0 2\n' "$root_uuid" "$boot_uuid" > "$1/etc/fstab"
  mkdir -p "$1/etc/default/grub.d"
  # The console is the container's output. Nobody sits at the menu. Against the mistakes of a processor that is emulated nothing has
  # to be done, and nobody else's memory has to be wiped: a boot takes a third less of the real one.
  printf 'GRUB_TIMEOUT=1\nGRUB_TIMEOUT_STYLE=hidden\nGRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND=serial\nGRUB_CMDLINE_LINUX="console=ttyS0 mitigations=off init_on_alloc=0"\n' \
    > "$1/etc/default/grub.d/10-console.cfg"
  # The disk's driver and its file system, and not each that Debian has: all are packed when a kernel is installed, unpacked at
  # each boot and listed at each look. The emulated processor takes a minute and more for them.
  mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
  printf 'MODULES=list\nCOMPRESSLEVEL=1\n' > "$1/etc/initramfs-tools/conf.d/disk"
  printf 'virtio_pci\nvirtio_blk\next4\n' > "$1/usr/share/initramfs-tools/modules.d/disk"
}

# disk TREE FILE: its /boot becomes the first partition, the rest the second
disk() {
  local tree=$1 file=$2
  rm -rf "$vm/boot-of-tree"
  mv "$tree/boot" "$vm/boot-of-tree"
  mkdir "$tree/boot"
  rm -f "$file"
  truncate -s 5G "$file"
  sfdisk -q "$file" << 'LAYOUT'
label: dos
start=1MiB, size=256MiB, type=83, bootable
start=257MiB, type=83
LAYOUT
  quiet mke2fs -q -t ext4 -U "$boot_uuid" -L boot -d "$vm/boot-of-tree" -E offset=$((1024 * 1024)) "$file" 256m
  quiet mke2fs -q -t ext4 -U "$root_uuid" -L root -d "$tree" -E offset=$((257 * 1024 * 1024)) "$file" 4862m
  rm -rf "$vm/boot-of-tree"
}

# emulate DISK ARGUMENT...: the machine, whose processor is no real one: /dev/kvm is not everywhere, and where it is it may hang.
# Debian 12's QEMU corrupts these kernels, and `-cpu max` has features that make them stumble. A controller without a disk is looked
# through at each boot, for a tenth of it.
emulate() {
  local disk=$1
  shift
  exec qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35,sata=off,smbus=off,usb=off -accel tcg,thread=multi -cpu Nehalem -smp 2 \
    -drive "file=$disk,if=virtio,cache=writeback" -device virtio-rng-pci -serial stdio "$@"
}
