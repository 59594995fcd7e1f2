# In place of krops' writeDeploy, and in its shape: a script that has another one send the sources, then has the machine
# switch. What krops sends with rsync goes through tar here, and ssh is the one on the PATH.
# With TARGET_ROOT the machine is a folder below it, nothing is switched, and no ssh is needed.
{
  name,
  # Paths as strings: what is sent is read where it lies, and comes into no store.
  sources,
  target ? "root@${name}.example.org",
  path ? "/var/src",
}:
let
  script = name: text: import ./run.nix {
    inherit name text;
    system = "x86_64-linux";
    script = ''printf '%s\n' "$text" > $out; chmod +x $out'';
  };
  host = builtins.elemAt (builtins.match "(.*@)?([^@]*)" target) 1;
  quoted = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  populate = script "populate.${host}" ''
    #!/bin/sh
    set -eu
    root=''${TARGET_ROOT:+$TARGET_ROOT/${name}}
    on() { if [ -n "$root" ]; then sh -c "$1"; else ssh -T ${target} "$1"; fi; }
    src=$root${path}
    on "test -e '$src/.populate'" || { echo "error: missing sentinel file: ${host}:$src/.populate" >&2; exit 1; }
    send() {
      if [ -d "$2" ]; then
        tar -C "$2/." -cf - . | on "rm -rf '$src/$1' && mkdir '$src/$1' && tar -C '$src/$1' -xf -"
      else
        on "rm -rf '$src/$1' && cat > '$src/$1'" < "$2"
      fi
    }
    ${builtins.concatStringsSep "\n" (map (source: "send ${quoted source} ${quoted (toString sources.${source})}") (builtins.attrNames sources))}
  '';
in
script "deploy-${name}" ''
  #!/bin/sh
  set -eu
  ${populate}
  [ -z "''${TARGET_ROOT-}" ] || { echo "deployed ${name}"; exit 0; }
  exec ssh -T ${target} 'NIX_PATH=${path} nixos-rebuild switch'
''
