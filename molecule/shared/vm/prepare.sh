#!/usr/bin/env bash
# Makes an image for virtual machines out of the image of the hosts: QEMU, and the packages and the boot loader of a machine with the
# oldest and the newest kernel that apt offers.
. /vm/common.sh

# This tree, before QEMU comes into it, is what every host of the lab began as.
say "what a host begins as"
mkdir -p $vm/tree $vm/archives/partial
tar --one-file-system --exclude=./vm --exclude=./var/cache/apt/archives -C / -c . | tar -C $vm/tree -x
mkdir -p $vm/tree/{boot,dev,proc,sys,run,tmp,mnt,var/cache/apt}
cp /etc/resolv.conf $vm/tree/etc/resolv.conf

say "QEMU"
export DEBIAN_FRONTEND=noninteractive
# The hosts know their own packages only (known_packages), and apt takes lists for whole that nobody has changed since.
rm -rf /var/lib/apt/lists
quiet apt-get update -q
quiet apt-get install -q -y --no-install-recommends qemu-system-x86 qemu-utils e2fsprogs fdisk
rm -rf $vm/tree/var/lib/apt/lists
cp -a /var/lib/apt/lists $vm/tree/var/lib/apt/lists

# Newest first: apt has ordered them.
mapfile -t versions < <(apt-cache madison linux-image-cloud-amd64 | awk '{print $3}')
old=${versions[-1]} new=${versions[0]}
[ "$old" != "$new" ] || { say "apt offers one kernel only ($new), and nothing to update to: try again after the next advisory" >&2; exit 1; }
release() { apt-cache show "linux-image-cloud-amd64=$1" | sed -n 's/^Depends: linux-image-\([^ ]*\) .*/\1/p'; }
printf 'old_version=%s\nnew_version=%s\nold=%s\nnew=%s\n' "$old" "$new" "$(release "$old")" "$(release "$new")" > $vm/kernels
. $vm/kernels
say "kernels $old and $new"

mounted $vm/tree
quiet inside $vm/tree apt-get install -q -y --no-install-recommends --download-only \
  "linux-image-cloud-amd64=$new_version" "linux-image-$old" grub-pc initramfs-tools zstd e2fsprogs
quiet inside $vm/tree apt-get install -q -y --no-install-recommends --download-only "linux-image-cloud-amd64=$old_version"
say "install both"
settings $vm/tree
install_into $vm/tree "linux-image-cloud-amd64=$new_version" "linux-image-$old" grub-pc initramfs-tools zstd e2fsprogs
say "an initial file system in which the newest kernel panics"
panics=$vm/tree/etc/initramfs-tools/scripts/init-top/planted
printf '#!/bin/sh\n[ "$1" != prereqs ] || exit 0\n[ "$(uname -r)" != "%s" ] || echo c > /proc/sysrq-trigger\n' "$new" > $panics
chmod 0755 $panics
quiet inside $vm/tree mkinitramfs -o /panics "$new"
mv $vm/tree/panics $vm/panics
rm $panics
unmounted $vm/tree

# The machine itself writes its boot loader: elsewhere grub-probe finds no disk.
cat > $vm/tree/finish << 'FINISH'
#!/bin/sh
mount -o remount,rw / && mount /boot && grub-install --target=i386-pc /dev/vda && update-grub &&
  cp /boot/grub/grub.cfg /boot/grub/grub.cfg.both && mkdir /boot/aside && mv /boot/*-NEW /boot/aside && update-grub && echo FINISHED
sync
echo o > /proc/sysrq-trigger
sleep 60
FINISH
sed -i "s/-NEW/-$new/" $vm/tree/finish
chmod 0755 $vm/tree/finish
disk $vm/tree $vm/base.raw
say "write the boot loader, in the machine"
kernel=$vm/kernel
mkdir -p $kernel
debugfs -R "rdump / $kernel" "$vm/base.raw?offset=1048576" > $vm/log 2>&1
(emulate $vm/base.raw -m 512 -kernel "$kernel/vmlinuz-$old" -initrd "$kernel/initrd.img-$old" \
  -append "console=ttyS0 root=UUID=$root_uuid rw init=/finish quiet" -net none -no-reboot) > $vm/log 2>&1
grep -q FINISHED $vm/log || { tail -40 $vm/log >&2; exit 1; }
head -c 1M $vm/base.raw > $vm/gap
rm -rf $vm/boot
mkdir $vm/boot
debugfs -R "rdump / $vm/boot" "$vm/base.raw?offset=1048576" > $vm/log 2>&1
mv $vm/boot/aside/* $vm/boot/
rm -rf $vm/boot/aside $vm/boot/lost+found $vm/base.raw $vm/tree $kernel $vm/log
known_packages $vm/archives
