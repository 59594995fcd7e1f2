#!/bin/sh
# As NixOS's: /etc is what the system says, then the system is the current one, whatever failed before.
systemConfig=@out@
status=0
mkdir -p /run /etc/systemd
ln -sfn $systemConfig/etc /etc/static
[ -L /etc/systemd/system ] || rm -rf /etc/systemd/system
ln -sfn /etc/static/systemd/system /etc/systemd/system
hostname "$(cat $systemConfig/host-name)" || status=1
# With systemConfig for a name, as activation scripts of NixOS have it.
( . $systemConfig/activation ) || status=1
ln -sfn $systemConfig /run/current-system
exit $status
