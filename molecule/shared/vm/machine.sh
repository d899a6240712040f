#!/usr/bin/env bash
# The command of a container that is a virtual machine. Its first start makes the disk of the host's tree, which comes by standard
# input as a tar, and ends; each later start is the machine's power button, and it ends when the machine is off.
#
# It is told by its environment: VM_HOST, VM_ADDRESS (with its prefix), VM_GATEWAY, VM_DNS, VM_MAC, VM_MEMORY (MiB), VM_KERNELS
# (old, or both, of which the old one runs). /vm/app.git is what the lab mounts into a container.
. /vm/common.sh
. /vm/kernels

# identity TREE: what podman gives a container from outside, a machine has on its disk
identity() {
  printf '%s\n' "$VM_HOST" > "$1/etc/hostname"
  printf '127.0.0.1 localhost\n%s %s\n' "${VM_ADDRESS%/*}" "$VM_HOST" > "$1/etc/hosts"
  rm -f "$1/etc/resolv.conf"
  # A scenario's hosts ask whom this container asks.
  if [ -n "$VM_DNS" ]; then printf 'nameserver %s\n' $VM_DNS; else cat /etc/resolv.conf; fi > "$1/etc/resolv.conf"
  rm -rf "$1/srv/app.git"
  mv $vm/app.git "$1/srv/app.git"
  printf '[Match]\nMACAddress=%s\n[Network]\nAddress=%s\nGateway=%s\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' \
    "$VM_MAC" "$VM_ADDRESS" "$VM_GATEWAY" > "$1/etc/systemd/network/05-lab.network"
  quiet inside "$1" systemctl enable systemd-networkd
  # Rails is loaded by each of its processes, and a start that is given up in the middle begins again, and never ends.
  mkdir -p "$1/etc/systemd/system/mastodon-.service.d"
  printf '[Service]\nTimeoutStartSec=1800\n' > "$1/etc/systemd/system/mastodon-.service.d/emulated.conf"
}

build() {
  local tree=$vm/tree wanted
  rm -rf --one-file-system "$tree" "$vm/base.raw"
  mkdir "$tree"
  say "$VM_HOST: unpack"
  tar -C "$tree" -x
  mkdir -p "$tree"/{boot,dev,proc,sys,run,tmp}
  settings "$tree"
  identity "$tree"
  rm -rf "$tree/var/lib/apt/lists"
  # Told as new, though they are as old as this image: to fetch them anew takes an emulated processor minutes.
  cp -a /var/lib/apt/lists "$tree/var/lib/apt/lists"
  touch "$tree/var/lib/apt/lists"
  wanted=("linux-image-cloud-amd64=$old_version")
  [ "$VM_KERNELS" = old ] || wanted=("linux-image-cloud-amd64=$new_version" "linux-image-$old")
  say "$VM_HOST: install a kernel"
  mounted "$tree"
  # The images in /boot are those that were made once for all.
  mkdir -p "$tree/etc/initramfs-tools"
  printf 'update_initramfs=no\n' > "$tree/etc/initramfs-tools/update-initramfs.conf"
  install_into "$tree" -o Dpkg::Options::=--force-confold "${wanted[@]}" grub-pc initramfs-tools zstd e2fsprogs
  sed -i 's/=no$/=yes/' "$tree/etc/initramfs-tools/update-initramfs.conf"
  unmounted "$tree"
  cp -a "$vm/archives/linux-image-$new"_*.deb "$vm/archives/linux-image-cloud-amd64_$new_version"_*.deb "$tree/var/cache/apt/archives/"
  rm -rf "$tree/boot"
  cp -a "$vm/boot" "$tree/boot"
  if [ "$VM_KERNELS" = old ]; then
    rm -f "$tree/boot/"*-"$new"
  else
    mv "$tree/boot/grub/grub.cfg.both" "$tree/boot/grub/grub.cfg"
    # To make it here would take a minute of the emulated processor.
    cp $vm/panics "$tree/var/tmp/planted-panics"
    # It has not been booted since the newest came.
    grub_entry="gnulinux-advanced-$root_uuid>gnulinux-$old-advanced-$root_uuid"
    inside "$tree" grub-editenv /boot/grub/grubenv set "next_entry=$grub_entry"
  fi
  rm -f "$tree/boot/grub/grub.cfg.both"
  say "$VM_HOST: make the disk"
  disk "$tree" "$vm/base.raw"
  dd if="$vm/gap" of="$vm/base.raw" bs=1M count=1 conv=notrunc status=none
  rm -rf --one-file-system "$tree"
  empty
}

# What the machine writes is kept apart from what it began with.
empty() { qemu-img create -q -f qcow2 -F raw -b "$vm/base.raw" "$vm/disk.qcow2"; }

# The guest has this container's place in the network: the wire ends in the machine, and the container keeps no address.
network() {
  # podman takes a network down some time after the container has ended, and a quick start finds the last one's.
  [ -e /sys/class/net/wire ] || ip link add wire type bridge
  [ -e /sys/class/net/machine ] || ip tuntap add machine mode tap
  ip address flush dev eth0
  for end in eth0 machine; do ip link set "$end" master wire; done
  for link in eth0 machine wire; do ip link set "$link" up; done
}

if [ ! -e $vm/disk.qcow2 ]; then
  build
  exit
fi
state=()
if [ -e $vm/anew ]; then
  rm $vm/anew
  state=(-loadvm booted)
fi
network
emulate $vm/disk.qcow2 "${state[@]}" -m "$VM_MEMORY" -qmp unix:$vm/qmp,server=on,wait=off \
  -netdev tap,id=wire,ifname=machine,script=no,downscript=no -device "virtio-net-pci,netdev=wire,mac=$VM_MAC"
