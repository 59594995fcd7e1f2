import { flake } from "../nix/support.ts";

/** A repository whose configuration names what is there. */
export const WELL = {
  "flake.nix": flake(`
    checks.x86_64-linux.boot = mk "boot" "" [];
    packages.x86_64-linux = { app = mk "app" "" []; tool = mk "tool" "" []; };
    nixosConfigurations.web1.config.system.build.toplevel = mk "web1" "" [];
    clan.inventory = {
      machines.web1 = { tags = [ "web" ]; deploy.targetHost = "root@web1"; };
      instances.app.roles.server.tags.web = { };
    };
  `),
  "default.nix": `{ push = derivation { name = "push"; system = "x86_64-linux"; builder = "/bin/sh"; }; }`,
  "steps/go": "#!/bin/sh\n",
  ".github/snowcat.yml": `version: 1
evaluate:
  - flake: .
    attributes: [checks, packages, nixosConfigurations]
    systems: [x86_64-linux]
  - file: default.nix
    attributes: [push]
sets:
  pull_request: ["checks.*", "packages.*.app"]
  merge_queue: ["*"]
tests:
  boot: { vm: checks.x86_64-linux.boot }
  smoke: { run: [nix, run, ".#tool", --, check], after: [packages.x86_64-linux.app] }
push:
  image: { run: [nix, run, --file, ., push] }
  more: { run: [./steps/go], needs: [image] }
machines:
  discover: [nixosConfigurations, clan]
  web1: { health: [{ http: "https://\${name}.example/" }] }
rollouts:
  web: { stages: ["tag:web", "web*", "role:server"] }
`,
};

/** The same repository, by a configuration that names what is not. */
export const SICK = {
  ...WELL,
  "flake.nix": WELL["flake.nix"].replace(
    "machines.web1 =",
    "machines.db1 = { }; machines.lost = { }; machines.web1 =",
  ),
  "steps/no": "not executable\n",
  ".github/snowcat.yml": `version: 1
evaluate:
  - flake: .
    attributes: [checks, packages.x86_64-linux.gone, nixosConfigurations, packages]
    systems: [x86_64-linux, aarch64-linux]
  - file: default.nix
    attributes: [push, gone]
  - file: nowhere.nix
    attributes: [a]
  - flake: sub
sets:
  push: ["*"]
  pull_request: ["check.*", "checks.*"]
  merge_queue: ["packages.*.gone"]
tests:
  boot: { vm: packages.x86_64-linux.boot }
  smoke: { run: [nix, run, ".#nothing"], after: [app] }
  steps:
    kind: { images: [kindest/node:v1] }
    steps:
      - [./steps/go]
      - [./steps/no]
      - [./steps/gone]
      - [../out]
      - [nix, run, --file, ., gone]
      - [nix, run, "github:other/flake"]
      - [no-such-program-here]
push:
  image: { run: [nix, build], needs: [more, gone] }
  more: { run: [nix, build], needs: [image] }
machines:
  discover: [nixosConfigurations, clan]
  web2: { tags: [web] }
  web3: { attribute: systems.web3 }
  web1: { explicit: true, health: [{ http: "https://\${domain}/" }] }
rollouts:
  web: { on: push, schedule: weekly, stages: ["tag:gone", web1, "gone*", "role:gone", "role:server"] }
`,
};
