#!/bin/busybox sh
# The guest's boot loader: runs the init that the default boot entry on the disk names, and nothing else decides.
# Entries are systemd-boot's: /boot/loader/loader.conf, /boot/loader/entries/*.conf.
b=/bin/busybox
$b mount -t devtmpfs none /dev
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t tmpfs -o mode=755 none /run
for module in /modules/*; do $b insmod "$module"; done
until [ -e /dev/vda ]; do $b sleep 0.02; done
if ! $b mount -t ext4 /dev/vda /mnt; then echo "guest: the disk cannot be mounted" > /dev/ttyS0; $b poweroff -f; fi
entry=$($b sed -n 's/^default //p' /mnt/boot/loader/loader.conf)
init=$($b sed -n 's/^options .*init=\([^ ]*\).*/\1/p' "/mnt/boot/loader/entries/$entry")
echo "guest: boots $entry ${init%/init}" > /dev/ttyS0
$b ip link set lo up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip link set eth0 up
$b ip route add default via 10.0.2.2
for folder in dev proc sys run; do $b mount --move /$folder /mnt/$folder; done
exec $b switch_root /mnt "$init"
