# In place of krops' writeDeploy: a script that puts named sources under a folder of the target and switches to them. The
# target is a folder here (TARGET_ROOT), which keeps the order of events and needs no ssh.
{ name, sources }:
import ./run.nix {
  name = "deploy-${name}";
  system = "x86_64-linux";
  names = builtins.attrNames sources;
  paths = builtins.attrValues sources;
  machine = name;
  script = ''
    {
      echo '#!/bin/sh'
      echo 'set -eu'
      echo "target=\"\''${TARGET_ROOT:?the folder that stands for the machine}\"/$machine/var/src"
      echo '[ -e "$target/.populate" ] || { echo "error: missing sentinel file: $target/.populate" >&2; exit 1; }'
      set -- $paths
      for source in $names; do
        echo "rm -rf \"\$target/$source\"; cp -RL '$1' \"\$target/$source\""
        shift
      done
      echo "echo deployed $machine"
    } > $out
    chmod +x $out
  '';
}
