# The shape of an evaluated NixOS system: a closure with units, an activation, and the means to boot it.
#
# What is real: the layout of the toplevel, the order of events in bin/switch-to-configuration and its exit codes, the
# boot entries, the units. What is small: the programs are those of the machine it runs on (/bin/busybox, /bin/sleep).
{
  name,
  system,
  domain,
  extraUnits ? [ ],
  # The text of units by name, in place of what is made up for them.
  unitText ? { },
  # Shell text at the end of the activation; a failure of it makes the activation fail.
  activation ? "",
  # Shell text before the default boot entry is written; a failure of it leaves the entry as it is.
  bootHook ? "",
  # Another one asks for a reboot; one of another interface cannot be switched to without.
  kernel ? "6.1",
  interface ? "2",
  # What the machine's site says under /.
  page ? "${name} of ${domain}",
  shared ? import ../config/shared.nix { inherit domain; },
}:
let
  run = import ./run.nix;
  units = builtins.filter (unit: ! unitText ? ${unit}) (shared.units ++ extraUnits);

  site = run {
    name = "site-${name}";
    inherit system page;
    script = ''mkdir -p $out; echo "$page" > $out/index.html'';
  };

  # nginx.service answers on port 80; the others only run.
  start = unit: if unit == "nginx.service" then "/bin/busybox httpd -f -p 80 -h ${site}" else "/bin/sleep infinity";

  etc = run {
    name = "etc-${name}";
    inherit system domain units;
    hosts = shared.hosts;
    starts = map (unit: builtins.replaceStrings [ " " ] [ "," ] (start unit)) units;
    script = ''
      mkdir -p $out/etc/systemd/system/multi-user.target.wants
      cd $out/etc/systemd/system
      set -- $starts
      for unit in $units; do
        printf '[Unit]\nDescription=%s on %s\n[Service]\nExecStart=%s\n' $unit $domain "$(echo $1 | tr , ' ')" > $unit
        shift
      done
      ${builtins.concatStringsSep "\n" (map (unit: ''
        cp ${builtins.toFile unit unitText.${unit}} ${unit}
      '') (builtins.attrNames unitText))}
      for unit in *.service; do ln -s ../$unit multi-user.target.wants/$unit; done
      for host in $hosts; do echo $host; done > $out/etc/hosts
    '';
  };

  part = what: version: run {
    name = "${what}-${version}";
    inherit system what version;
    script = ''mkdir -p $out; echo "$what $version" > $out/$what'';
  };

  file = path: builtins.toFile (baseNameOf path) (builtins.readFile path);
in
{
  pkgs.system = system;
  config.networking.hostName = name;
  config.system.build.toplevel = run {
    name = "nixos-system-${name}-25.05";
    inherit system domain etc activation bootHook interface;
    hostName = name;
    kernel = part "linux" kernel;
    systemd = part "systemd" "257";
    path = part "system-path" "25.05";
    switch = file ./nixos/switch-to-configuration.sh;
    activate = file ./nixos/activate.sh;
    init = file ./nixos/init.sh;
    script = ''
      mkdir -p $out/bin
      for script in switch activate init; do
        eval "from=\$$script"
        if [ $script = switch ]; then to=bin/switch-to-configuration; else to=$script; fi
        sed "s|@out@|$out|g" $from > $out/$to
        chmod +x $out/$to
      done
      printf '%s\n' "$activation" > $out/activation
      printf '%s\n' "$bootHook" > $out/boot-hook
      printf 'systemd %s' "$interface" > $out/init-interface-version
      ln -s $etc/etc $out/etc
      ln -s $path $out/sw
      ln -s $systemd $out/systemd
      ln -s $kernel/linux $out/kernel
      ln -s $kernel/linux $out/initrd
      ln -s $kernel $out/kernel-modules
      printf '%s' "$system" > $out/system
      printf '%s' "$hostName" > $out/host-name
      printf '25.05' > $out/nixos-version
      printf 'console=ttyS0' > $out/kernel-params
    '';
  };
}
