import type { PlanWork } from "../../../src/protocol/specification.ts";
import type { Source } from "../../../src/protocol/source.ts";
import { LIMITS, type Performed } from "./perform.ts";

/** A machine in the shape of NixOS: units, an activation that would leave a trace, and what boots. */
export const machine = (
  units: Record<string, string>,
  more: {
    kernel?: string;
    activate?: string;
    link?: string;
    postgres?: string;
    system?: string;
  } = {},
) => ({
  "units.json": JSON.stringify(units),
  "flake.nix": `{ outputs = { self }: let
    mk = name: script: attributes: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ]; } // attributes);
    postgres = mk "postgresql-${more.postgres ?? "16.4"}" "echo postgres > $out" { };
    start = mk "app-pre-start" ''printf '#!/bin/sh\\nalembic upgrade head\\n' > $out'' { };
    texts = builtins.fromJSON (builtins.readFile ./units.json);
    etc = mk "etc" ''
      mkdir -p $out/systemd/system/multi-user.target.wants
      cd $out/systemd/system
      \${builtins.concatStringsSep "\\n" (map (name: "echo '\${builtins.replaceStrings [ "@start@" ] [ "\${start}" ] texts.\${name}}' > \${name}; ln -s ../\${name} multi-user.target.wants/\${name}") (builtins.attrNames texts))}
      ${more.link === undefined ? "" : `ln -s ${more.link} linked.service`}
    '' { };
    kernel = mk "linux-${more.kernel ?? "6.6"}" "echo ${more.kernel ?? "6.6"} > $out" { };
    toplevel = mk "nixos-system-web-${more.system ?? "25.05"}" ''
      mkdir -p $out
      ln -s \${etc} $out/etc
      ln -s \${kernel} $out/kernel
      echo \${postgres} > $out/needs
      echo '${more.activate ?? "true"}' > $out/activate
      chmod +x $out/activate
    '' { };
  in { nixosConfigurations.web.config.system.build.toplevel = toplevel; }; }`,
});
export const unit = (start: string, more = "") =>
  `[Unit]\nDescription=a\n${more}\n[Service]\nExecStart=${start}\n`;

const PLACE = { selection: 0, path: ["nixosConfigurations", "web"] };
const SELECTIONS: PlanWork["selections"] = [
  { kind: "flake", directory: ".", attributes: ["nixosConfigurations"], systems: null },
];

/** Plans the one machine of such a flake. */
export const planning =
  (plan: (work: PlanWork) => Promise<Performed>) =>
  (
    source: Source,
    drv: string,
    running: string | null,
    warn?: PlanWork["machines"][number]["warn"],
  ): Promise<Performed> =>
    plan({
      kind: "plan",
      source,
      selections: SELECTIONS,
      limits: LIMITS,
      machines: [{ name: "web", ...PLACE, drv, running, ...(warn ? { warn } : {}) }],
    });
