import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { KropsTool } from "../../../src/runner/deploy/methods/krops/tool.ts";
import { KropsSettings } from "../../../src/runner/deploy/methods/krops/settings.ts";
import type { MethodPlace } from "../../../src/runner/deploy/methods/method.ts";
import type { Observation } from "../../../src/protocol/machine.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";

/**
 * A machine that is a folder, a checkout, an operator's overlay, and stand-ins for the programs on the PATH: each writes its
 * argv down. `ssh` does on the "machine" what it is told to; what `nix-build` makes of `krops.nix` is a script as krops makes
 * it (krebs/krops pkgs/krops/default.nix, pkgs/populate/default.nix@a6c7ecd): the sentinel, then each source, then
 * nixos-rebuild.
 */
export interface KropsBench {
  readonly place: MethodPlace<KropsTool>;
  readonly folder: string;
  /** `/var/src` of the machine. */
  readonly sources: string;
  readonly said: string[];
  readonly masked: string[];
  /** argv of each program in the order of their beginning, without the bench's own folder. */
  readonly called: () => string[];
  readonly observed: () => Observation;
  /** A file below the bench's folder. */
  readonly write: (path: string, text: string, mode?: number) => Promise<void>;
  readonly read: (path: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

export interface KropsShape {
  /** Shell text in place of what the program does. */
  readonly buildMachine?: string;
  readonly rebuild?: string;
  /** Between sources and rebuild. */
  readonly rsync?: string;
  /** Options and host of ssh in krops' script. */
  readonly target?: string;
  /** The command on the machine; `nixos-rebuild switch` stands for the program of that name. */
  readonly remote?: string;
  readonly build?: string;
  readonly settings?: (folder: string) => Partial<KropsSettings>;
  readonly program?: "sent" | "installed";
}

export const OLD = `/nix/store/${"a".repeat(32)}-nixos-system-machine1-1`;
const NEW = `/nix/store/${"b".repeat(32)}-nixos-system-machine1-2`;

export async function kropsBench(shape: KropsShape = {}): Promise<KropsBench> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-krops-"));
  const write = async (path: string, text: string, mode = 0o644): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
    await chmod(join(folder, path), mode);
  };
  const sources = join(folder, "machine/var/src");
  const program = (name: string, body: string): Promise<void> =>
    write(
      `bin/${name}`,
      `#!/bin/sh\nprintf '%s' ${name} >> ${folder}/calls; printf ' %s' "$@" | tr '\\n' '~' >> ${folder}/calls; echo >> ${folder}/calls\n${body}\n`,
      0o755,
    );
  const ssh = `${folder}/bin/ssh ${shape.target ?? "-l root -p 22 -T root@machine1.example.org"}`;
  const send = (from: string, to: string): string =>
    `rm -rf ${sources}/${to}; cp -RL ${from} ${sources}/${to}`;
  // A script that sends, and one that calls it and then has the machine switch.
  const populate = `nix/store/${"p".repeat(32)}-populate.machine1.example.org`;
  await write(
    populate,
    `#!/bin/sh
set -efu
${ssh} 'if ! test -e ${sources}/.populate; then >&2 printf "error: missing sentinel file: %s\\n" machine1.example.org:/var/src/.populate; exit 1; fi'
${send("config/shared.nix", "config-shared")}
${send("build/machine1/dist", "web-app-dist")}
${send("lnbits", "lnbits-src")}
${shape.rsync ?? ""}
`,
    0o755,
  );
  const result = `#!/bin/sh
set -efu
${folder}/${populate}
exec ${ssh} '${shape.remote ?? "nixos-rebuild switch"}'
`;
  await write("fixtures/krops", result, 0o755);
  const made =
    shape.buildMachine ??
    "mkdir -p build/machine1/dist; cat machine-specific/machine1/env/.env > build/machine1/dist/index.html";
  await write(
    "fixtures/build-machine1",
    `#!/bin/sh\nset -eu\necho "build-machine1" >> ${folder}/calls\n${made}\n`,
    0o755,
  );
  await program(
    "nix-build",
    shape.build ??
      `case $1 in
        ./build-local.nix) rm -rf result; mkdir -p ../store/bin; cp ../fixtures/build-machine1 ../store/bin/; ln -s ../store result ;;
        ./krops.nix) rm -rf result; ln -s ../fixtures/krops result ;;
        *) echo "error: getting status of '$1': No such file or directory" >&2; exit 1 ;;
      esac`,
  );
  await program(
    "nix-store",
    `if grep -q populate "$3"; then echo ${folder}/${populate}; fi; readlink -f "$3"`,
  );
  await program("nix-hash", `echo ${"0f".repeat(32)}`);
  // Runs its last words, as sshd's shell would.
  await program(
    "ssh",
    `while [ $# -gt 0 ]; do case $1 in -l | -p | -o | -F) shift 2 ;; -*) shift ;; *) break ;; esac; done; shift; exec sh -c "$*"`,
  );
  await program(
    "nixos-rebuild",
    shape.rebuild ??
      `echo 'building the system configuration...' >&2; echo 'activating the configuration...' >&2; echo ${NEW} > ${folder}/machine/system`,
  );
  await program("nom", "cat");
  await write(
    "bin/readlink",
    `#!/bin/sh\n[ "$1" != /run/current-system ] || exec cat ${folder}/machine/system\nexec /usr/bin/readlink "$@"\n`,
    0o755,
  );
  await write("machine/system", `${OLD}\n`);
  await write("machine/var/src/.populate", "");
  await write("machine/var/src/config-shared", "{ domain }: { old = true; }\n");
  await write("machine/var/src/lnbits-src/flake.lock", '{ "version": 6 }\n');
  for (const [path, text] of Object.entries(TREE)) await write(`tree/${path}`, text);
  for (const [path, text] of Object.entries(OVERLAY)) await write(`overlay/${path}`, text);
  await write("outside/lnbits/flake.nix", "{ outputs = _: { }; }\n");
  await write("outside/lnbits/flake.lock", '{ "version": 7 }\n');
  await write("outside/lnbits/uv.lock", "version = 1\n");
  await symlink(join(folder, "outside/lnbits"), join(folder, "overlay/lnbits"));
  await mkdir(join(folder, "scratch"));
  const said: string[] = [];
  const masked: string[] = [];
  const observed = (): Observation =>
    observation(readFileSync(join(folder, "machine/system"), "utf8").trim());
  const env = { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: join(folder, "scratch") };
  const place: MethodPlace<KropsTool> = {
    work: {
      kind: "deploy",
      machine: { name: "machine1", hostKey: `SHA256:${"k".repeat(43)}` },
      method: "krops",
      tool: TOOL(sources),
      source: null,
      counter: 7,
      sha: "1".repeat(40),
      ref: "refs/heads/main",
      action: { kind: "source", tree: "2".repeat(40) },
      expected: null,
      health: [],
      backup: null,
      limits: {
        connectSeconds: 5,
        copySeconds: 30,
        activationSeconds: 30,
        confirmationSeconds: 30,
      },
    },
    tool: TOOL(sources),
    system: null,
    tree: join(folder, "tree"),
    scratch: join(folder, "scratch"),
    policy: {
      address: "machine1.example.org",
      port: 22,
      user: "root",
      sudo: false,
      program: shape.program ?? "sent",
      hostKey: "ssh-ed25519 AAAA",
      identityFile: "/dev/null",
      observeIdentityFile: null,
      repositories: [],
      methods: ["krops"],
      windows: null,
      commands: [],
      krops: KropsSettings.parse({ overlay: join(folder, "overlay"), ...shape.settings?.(folder) }),
    },
    ssh: {
      command: join(folder, "bin/ssh"),
      config: "/dev/null",
      options: [],
      host: "10.0.0.1",
      user: "root",
      port: 22,
    },
    run: (argv, options) =>
      new Promise((resolve) => {
        const [file, ...args] = argv;
        const child = execFile(
          file,
          args,
          {
            cwd: options.cwd ?? join(folder, "tree"),
            env: { ...env, ...options.env },
            timeout: options.timeoutSeconds * 1_000,
          },
          (error, stdout, stderr) => {
            const exitCode =
              error === null ? 0 : typeof error.code === "number" ? error.code : null;
            resolve({
              exitCode,
              timedOut: error?.killed ?? false,
              log: `${stdout}${stderr}`,
              stdout,
            });
          },
        );
        child.stdin?.on("error", () => {});
        child.stdin?.end(options.stdin ?? "");
      }),
    write: async (path, content, mode = 0o644) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content, { mode });
    },
    bring: async (from, to) => await cp(from, to, { recursive: true, verbatimSymlinks: true }),
    machine: {
      digest: ({ paths }) =>
        Promise.resolve({ kind: "done", value: paths.map((path) => digestOf(path)) }),
      check: () => Promise.resolve({ kind: "done", value: { healthy: true, why: "" } }),
      observe: () => Promise.resolve({ kind: "done", value: observed() }),
    },
    clock: systemClock,
    say: (line) => said.push(line),
    mask: (secret) => masked.push(secret),
    signal: new AbortController().signal,
  };
  return {
    place,
    folder,
    sources,
    said,
    masked,
    called: () =>
      existsSync(join(folder, "calls"))
        ? readFileSync(join(folder, "calls"), "utf8").trim().replaceAll(folder, "").split("\n")
        : [],
    observed,
    write,
    read: (path) => readFile(join(folder, path), "utf8"),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

const TREE: Record<string, string> = {
  "README.md": "# machines\n",
  "example-krops.nix": "{ }\n",
  "config/shared.nix": "{ domain }: { inherit domain; }\n",
  "config/machines/example-machine/configuration.nix": "{ }\n",
};
const OVERLAY: Record<string, string> = {
  "README.md": "# what git ignores\n",
  "krops.nix": `let deploy = import ./nix/krops.nix;
  machine1 = deploy { source = ./config/machines/machine1; };
  machine2 = deploy { source = ./config/machines/machine2; };
in { inherit machine1 machine2; }\n`,
  "build-local.nix": `let buildForMachine = import ./nix/build-local.nix; in {
  machine1 = buildForMachine "machine1";
  machine2 = buildForMachine "machine2";
}\n`,
  "config/machines/machine1/configuration.nix": "{ }\n",
  "config/machines/machine2/configuration.nix": "{ }\n",
  "machine-specific/machine1/env/.env": "SITE=machine1\n",
  "machine-specific/machine2/env/.env": "SITE=machine2\n",
};
const TOOL = (sources: string): KropsTool => ({
  kind: "krops",
  attribute: "machine1",
  build: { local: "build-local.nix", krops: "krops.nix" },
  dist: ["build/machine1/dist"],
  sources: [
    { from: "lnbits", to: `${sources}/lnbits-src`, files: ["flake.nix", "flake.lock", "uv.lock"] },
  ],
  sentinel: `${sources}/.populate`,
});

function digestOf(
  path: string,
):
  | { kind: "missing" }
  | { kind: "folder"; entries: number }
  | { kind: "file"; sha256: string; bytes: number } {
  if (!existsSync(path)) return { kind: "missing" };
  if (statSync(path).isDirectory()) return { kind: "folder", entries: 0 };
  const bytes = readFileSync(path);
  return {
    kind: "file",
    sha256: createHash("sha256").update(bytes).digest("hex"),
    bytes: bytes.length,
  };
}

const observation = (system: string): Observation => ({
  at: 0,
  system,
  booted: system,
  profile: { number: 2, system, at: 0 },
  generations: [],
  failedUnits: [],
  nix: { freeBytes: 1, freeInodes: 1 },
  boot: null,
  counter: 7,
  unfinished: null,
  updaters: [],
  bootId: "boot",
});
