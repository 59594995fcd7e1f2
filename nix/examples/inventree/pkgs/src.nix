# The release: the source and the pre-built frontend of the same version. A bump changes the version and both hashes.
{ system }:
let
  run = import ./run.nix;
  version = "1.0.8";

  # ../upstream stands in for the forge's downloads: fixed-output derivations as those are, without the network.
  fetch = { name, file, hash }: run {
    inherit name system;
    upstream = ../upstream;
    outputHash = hash;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    script = "cat $upstream/${version}/${file} > $out";
  };
  source = fetch {
    name = "InvenTree-source";
    file = "source";
    hash = "sha256-Zno0BSumR4t7jPUJtIJvNCpxH9y4TVkvErIhZDv07yE=";
  };
  frontend = fetch {
    name = "InvenTree-frontend-build.zip";
    file = "frontend-build";
    hash = "sha256-1QsAawH5Obv0I3ETHBQGR5wUC03yMqF1b19nVvmCvrE=";
  };
in
run {
  name = "inventree-src-${version}";
  inherit system source frontend version;
  patch = ../patches/disable-fs-mutation-tasks.patch;
  script = ''
    mkdir -p $out/src/src/backend/InvenTree/web/static
    cd $out/src/src/backend/InvenTree
    cat $source > source
    chmod +w source
    echo "applying $patch"
    patch -p1 < $patch
    grep -q "\"$version\"" source || { echo "built $(head -n1 source), wanted $version"; exit 1; }
    cat $frontend > web/static/index.html
  '';
}
