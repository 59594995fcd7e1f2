import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  realpath,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { NixInstall } from "../support/nix-versions.ts";
import { environmentWith } from "../support/nix-versions.ts";
import type { MachineSizes } from "./machine.ts";
import { TestMachine } from "./machine.ts";
import { Builder, installClosure } from "./systems.ts";
import type { SourceStore } from "../../src/runner/machine/index.ts";

const execute = promisify(execFile);
const NEEDED = ["nix", "sshd", "ssh", "ip", "unshare", "nsenter", "busybox"];
/** Of a machine's disk. */
const FOLDERS = ["nix", "boot", "var-lib", "root", "ssh", "etc/upper", "etc/work"];
/** Networks of four addresses each, within 10.213.0.0/16: one for each machine on this host. */
const NETWORKS = 16_384;
const SLOTS = join(tmpdir(), "snowcat-machine-networks");

/** Why there can be no machines here, or null. */
export function whyNoMachines(): string | null {
  if (process.getuid?.() !== 0) return "namespaces are made by root";
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const missing = NEEDED.filter(
    (program) => !folders.some((folder) => runs(join(folder, program))),
  );
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`;
}

export interface LabOptions {
  readonly nix?: NixInstall;
}

export interface NewMachine extends Partial<MachineSizes> {
  readonly name: string;
  /** What it runs and boots from the beginning. */
  readonly system: string;
  /** The store that has it; the lab's own unless given. */
  readonly from?: SourceStore;
  /** Whether a stand-in answers for systemctl; without it there is none that works. */
  readonly systemctl?: boolean;
  /** What `sh` is there; the host's unless given. */
  readonly shell?: "dash" | "bash" | "busybox";
  /** Installed as the key's forced command instead of a shell; a file on the host. */
  readonly forced?: string;
}

/** Machines on this host, each in namespaces of its own, and a store in which their systems are built. */
export class Lab {
  readonly directory: string;
  readonly env: Record<string, string>;
  readonly builder: Builder;
  readonly identityFile: string;
  readonly #machines: TestMachine[] = [];
  readonly #slots: string[] = [];

  constructor(directory: string, env: Record<string, string>) {
    this.directory = directory;
    this.env = env;
    this.builder = new Builder(directory, env);
    this.identityFile = join(directory, "identity");
  }

  /** Installs a machine and switches it on. */
  async machine(wanted: NewMachine): Promise<TestMachine> {
    const directory = join(this.directory, wanted.name);
    for (const folder of FOLDERS) await mkdir(join(directory, folder), { recursive: true });
    const link = await this.#network();
    const hostKey = join(directory, "ssh/host");
    await this.#keygen(hostKey);
    await this.#configureSshd(directory, link.guest, wanted.forced);
    // What sshd asks for, whatever the host's has: a user of its own, and a root that is not locked.
    await writeFile(
      join(directory, "etc/upper/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nsshd:x:33:65534::/run/sshd:/usr/sbin/nologin\n",
    );
    await writeFile(join(directory, "etc/upper/shadow"), "root:*:19000:0:99999:7:::\n", {
      mode: 0o600,
    });
    if (wanted.systemctl !== false) {
      await copyFile(
        join(import.meta.dirname, "fixtures/systemctl.sh"),
        join(directory, "systemctl"),
      );
      await chmod(join(directory, "systemctl"), 0o755);
    }
    await this.#install(directory, wanted.system, wanted.from ?? this.builder.source);
    const [type, key] = (await readFile(`${hostKey}.pub`, "utf8")).split(" ");
    if (wanted.shell !== undefined) {
      const program = await realpath(`/bin/${wanted.shell}`);
      await copyFile(program, join(directory, "sh"));
    }
    const machine = new TestMachine({
      directory,
      env: this.env,
      link,
      sizes: { nixMebibytes: wanted.nixMebibytes ?? 0, bootMebibytes: wanted.bootMebibytes ?? 0 },
      target: {
        address: link.guest,
        port: 22,
        user: "root",
        sudo: false,
        hostPublicKey: `${type} ${key}`,
        identityFile: this.identityFile,
        program: wanted.forced === undefined ? "sent" : "installed",
      },
    });
    this.#machines.push(machine);
    await machine.powerOn();
    return machine;
  }

  async close(): Promise<void> {
    for (const machine of this.#machines) await machine.close();
    for (const slot of this.#slots) await rm(slot, { recursive: true, force: true });
    // The store's files are read-only, its folders too.
    await execute("chmod", ["-R", "u+w", this.directory]);
    await rm(this.directory, { recursive: true });
  }

  async prepare(): Promise<void> {
    await writeFile(
      join(this.directory, "nix.conf"),
      [
        "experimental-features = nix-command flakes",
        "substituters =",
        "build-users-group =",
        "sandbox = true",
        "sandbox-paths = /bin/sh=/bin/busybox",
        "auto-optimise-store = false",
        "",
      ].join("\n"),
    );
    await this.#keygen(this.identityFile);
  }

  async #configureSshd(directory: string, address: string, forced?: string): Promise<void> {
    const at = (name: string) => join(directory, "ssh", name);
    const publicKey = await readFile(`${this.identityFile}.pub`, "utf8");
    await writeFile(
      at("authorized_keys"),
      forced === undefined ? publicKey : `restrict,command="${forced}" ${publicKey}`,
    );
    const environment = Object.entries(this.env)
      .filter(([name]) => name === "PATH" || name.startsWith("NIX_"))
      .map(([name, value]) => `"${name}=${value}"`);
    await writeFile(
      at("sshd_config"),
      [
        `HostKey ${at("host")}`,
        `ListenAddress ${address}:22`,
        `AuthorizedKeysFile ${at("authorized_keys")}`,
        "PidFile none",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "StrictModes no",
        "UseDNS no",
        "MaxStartups 100",
        // Connections are told, those as well that come to nothing.
        "LogLevel VERBOSE",
        `SetEnv ${environment.join(" ")}`,
        "",
      ].join("\n"),
    );
  }

  async #install(directory: string, system: string, from: SourceStore): Promise<void> {
    await installClosure(from, system, directory);
    const profiles = join(directory, "nix/var/nix/profiles");
    await mkdir(profiles, { recursive: true });
    await symlink(system, join(profiles, "system-1-link"));
    await symlink("system-1-link", join(profiles, "system"));
    await writeFile(join(directory, "etc/upper/NIXOS"), "");
    if (existsSync(join(directory, system, "init"))) await installLoader(directory, system);
    else await writeFile(join(directory, "boot/entry"), `${system}\n`);
  }

  /** A folder that can be made only once is what keeps two test files from one network. */
  async #network(): Promise<{ name: string; host: string; guest: string }> {
    await mkdir(SLOTS, { recursive: true });
    for (let slot = 0; slot < NETWORKS; slot += 1) {
      const folder = join(SLOTS, `${slot}`);
      if (existsSync(folder)) continue;
      try {
        await mkdir(folder);
      } catch {
        continue;
      }
      this.#slots.push(folder);
      const base = slot * 4;
      const address = (offset: number) => `10.213.${base >> 8}.${(base & 255) + offset}`;
      return { name: `snowcat${slot}`, host: address(1), guest: address(2) };
    }
    throw new Error(`no network is left: remove what is stale in ${SLOTS}`);
  }

  async #keygen(file: string): Promise<void> {
    await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], {
      env: this.env,
    });
  }
}

export async function startLab({ nix }: LabOptions = {}): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), "snowcat-lab-"));
  const base = environmentWith(nix);
  const lab = new Lab(directory, {
    ...base,
    PATH: `${base.PATH}${delimiter}/usr/sbin${delimiter}/sbin`,
    NIX_CONF_DIR: directory,
    LC_ALL: "C.UTF-8",
    HOME: directory,
  });
  await lab.prepare();
  return lab;
}

/** As systemd-boot has them, for systems that write such entries. */
async function installLoader(directory: string, system: string): Promise<void> {
  const loader = join(directory, "boot/loader");
  await mkdir(join(loader, "entries"), { recursive: true });
  await writeFile(join(loader, "entries/nixos-generation-1.conf"), `options init=${system}/init\n`);
  await writeFile(join(loader, "loader.conf"), "default nixos-generation-1.conf\n");
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
