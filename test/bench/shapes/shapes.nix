# Derivations in the shapes that schedulers get wrong. Every builder says once that it was started: `built <name>`.
#   shared   many need one dependency, which fails
#   diamond  many need two, which both need one; and one needs all
#   long     one takes a while, many do not
#   chain    each needs the one before it
{ shape, n, seconds, seed, system }:
let
  make = name: needs: script: derivation {
    inherit name needs seed system;
    builder = "/bin/sh";
    args = [ "-c" "echo built ${name}; ${script}" ];
  };
  good = name: needs: make name needs "echo ${name} > $out";
  number = i: let s = builtins.toString i; in builtins.substring 0 (5 - builtins.stringLength s) "00000" + s;
  many = prefix: needs: builtins.genList (i: good "${prefix}${number i}" needs) n;
  named = list: builtins.listToAttrs (map (drv: { inherit (drv) name; value = drv; }) list);
  shapes = {
    shared = many "p" [ (make "common" [ ] "sleep ${builtins.toString seconds}; exit 3") ];
    diamond =
      let
        top = good "top" [ ];
        sides = [ (good "left" [ top ]) (good "right" [ top ]) ];
        bottoms = many "p" sides;
      in
      bottoms ++ [ (good "all" bottoms) ];
    # Last by name: whoever goes by the alphabet begins it last.
    long = many "p" [ ] ++ [ (make "z-long" [ ] "sleep ${builtins.toString seconds}; echo long > $out") ];
    chain =
      let
        links = builtins.genList
          (i: good "p${number i}" (if i == 0 then [ ] else [ (builtins.elemAt links (i - 1)) ]))
          n;
      in
      links;
  };
in
named shapes.${shape}
