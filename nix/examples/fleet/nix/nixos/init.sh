#!/bin/sh
# What the boot entry names: NixOS's stage 2. File systems are mounted; systemd is the machine's own.
systemConfig=@out@
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ln -sfn $systemConfig /run/booted-system
$systemConfig/activate
exec /lib/systemd/systemd "$@"
