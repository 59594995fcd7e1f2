#!/bin/sh
# As NixOS's switch-to-configuration, in its order and with its exit codes: 1 nothing was done, 2 the activation
# failed, 3 systemd could not read the units, 4 some unit has failed, whether by this or before, 100 only a reboot helps.
set -u
out=@out@
action=${1-}
case $action in
  switch | boot | test | dry-activate) ;;
  *) echo "Usage: $0 [switch|boot|test|dry-activate]" >&2; exit 1 ;;
esac
[ -e /etc/NIXOS ] || { echo "This is not a NixOS installation!" >&2; exit 1; }
mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
flock -n 9 || { echo "Could not acquire lock" >&2; exit 1; }
# What is started here and stays must not hold the lock.
systemctl() { command systemctl "$@" 9>&-; }

# In the manner of systemd-boot's: an entry for each generation, then the default; each file whole or not at all.
install_bootloader() {
  loader=/boot/loader
  if ! [ -d $loader ]; then
    echo "Warning: do not know how to make this configuration bootable; please enable a boot loader." >&2
    return 0
  fi
  default=
  for link in /nix/var/nix/profiles/system-*-link; do
    [ -L "$link" ] || continue
    generation=${link#/nix/var/nix/profiles/system-}
    generation=${generation%-link}
    toplevel=$(readlink -f "$link")
    entry=nixos-generation-$generation.conf
    [ "$toplevel" = "$out" ] && default=$entry
    [ -e "$loader/entries/$entry" ] && continue
    {
      echo "title NixOS"
      echo "version Generation $generation NixOS $(cat "$toplevel/nixos-version")"
      echo "linux $toplevel/kernel"
      echo "options init=$toplevel/init $(cat "$toplevel/kernel-params")"
    } > "$loader/entries/.$entry" || return 1
    sync "$loader/entries/.$entry" && mv "$loader/entries/.$entry" "$loader/entries/$entry" || return 1
  done
  for entry in "$loader"/entries/nixos-generation-*.conf; do
    [ -e "$entry" ] || continue
    generation=${entry##*/nixos-generation-}
    [ -L "/nix/var/nix/profiles/system-${generation%.conf}-link" ] || rm -f "$entry"
  done
  ( exec 9>&-; . "$out/boot-hook" ) || return 1
  [ -n "$default" ] || { echo "$out is no generation of the system profile" >&2; return 1; }
  { echo "timeout 0"; echo "default $default"; } > "$loader/.loader.conf" || return 1
  sync "$loader/.loader.conf" && mv "$loader/.loader.conf" "$loader/loader.conf" && sync -f "$loader"
}

if [ "$action" = switch ] || [ "$action" = boot ]; then
  install_bootloader || { echo "Failed to install bootloader" >&2; exit 1; }
  sync -f /nix/store
  [ "$action" = boot ] && exit 0
fi

if [ "$(cat $out/init-interface-version)" != "$(cat /run/current-system/init-interface-version)" ]; then
  echo "Warning: the new NixOS configuration has an 'init' that is incompatible with the current configuration." >&2
  echo "The new configuration won't take effect until you reboot the system." >&2
  exit 100
fi

# Which units to stop, restart, reload and start, by the unit files alone.
units=0
[ -d /run/systemd/system ] && units=1
old=$(readlink -f /run/current-system/etc/systemd/system || true)
new=$out/etc/systemd/system
stop= restart= reload= start=
if [ $units = 1 ]; then
  for file in "$old"/*.service; do
    [ -f "$file" ] || continue
    unit=${file##*/}
    systemctl -q is-active "$unit" || continue
    if ! [ -f "$new/$unit" ]; then
      stop="$stop $unit"
    elif ! cmp -s "$file" "$new/$unit"; then
      if grep -q '^X-RestartIfChanged=false' "$new/$unit"; then :
      elif grep -q '^X-ReloadIfChanged=true' "$new/$unit"; then reload="$reload $unit"
      else restart="$restart $unit"
      fi
    fi
  done
  for link in "$new"/multi-user.target.wants/*; do
    [ -e "$link" ] || continue
    systemctl -q is-active "${link##*/}" || start="$start ${link##*/}"
  done
fi

if [ "$action" = dry-activate ]; then
  [ -z "$stop" ] || echo "would stop the following units:$stop" >&2
  echo "would activate the configuration..." >&2
  [ -z "$reload" ] || echo "would reload the following units:$reload" >&2
  [ -z "$restart" ] || echo "would restart the following units:$restart" >&2
  [ -z "$start" ] || echo "would start the following units:$start" >&2
  exit 0
fi

result=0
if [ -n "$stop" ]; then
  echo "stopping the following units:$stop" >&2
  systemctl stop $stop
fi
echo "activating the configuration..." >&2
"$out/activate" 9>&- || result=2
[ $units = 1 ] || exit $result
systemctl daemon-reload || result=3
[ -z "$reload" ] || { echo "reloading the following units:$reload" >&2; systemctl reload $reload || result=4; }
[ -z "$restart" ] || { echo "restarting the following units:$restart" >&2; systemctl restart $restart || result=4; }
[ -z "$start" ] || { echo "starting the following units:$start" >&2; systemctl start $start || result=4; }
failed=$(systemctl list-units --state=failed --plain --no-legend --full | sed 's/ .*//' | tr '\n' ' ')
if [ -n "$failed" ]; then
  echo "warning: the following units failed: $failed" >&2
  result=4
fi
exit $result
