import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MachineTarget, SourceStore } from "../../../src/runner/machine/index.ts";
import type { Base } from "./base.ts";
import { cached, guestBase, guestCache, hashOf } from "./base.ts";
import { makeDisk } from "./disk.ts";
import { PATIENCE, Qemu } from "./qemu.ts";
import type { Settled } from "./writes.ts";
import { settleDisk } from "./writes.ts";

const execute = promisify(execFile);
const READY = "guest: ready";

/** What a guest runs and would boot. */
export interface Truth {
  readonly running: string | null;
  readonly booted: string | null;
  readonly profile: string | null;
  /** The system that the default boot entry names. */
  readonly boots: string | null;
}

/** A Debian with systemd, sshd and Nix in a virtual machine; NixOS-shaped systems are activated on it, and booted. */
export class Guest implements AsyncDisposable {
  readonly #folder: string;
  readonly #base: Base;
  readonly #hostPublicKey: string;
  #qemu: Qemu | null = null;
  #port = 0;

  private constructor(folder: string, base: Base, hostPublicKey: string) {
    this.#folder = folder;
    this.#base = base;
    this.#hostPublicKey = hostPublicKey;
  }

  /**
   * A guest that has booted `system`, its only generation. The first time it boots for real; its disk and state are kept
   * then, and later ones go on from those.
   */
  static async start(system: string, from: SourceStore): Promise<Guest> {
    const base = await guestBase();
    // A state is for the same QEMU with the same hardware.
    const { stdout: version } = await execute("qemu-system-x86_64", ["--version"]);
    const hardware = await readFile(join(import.meta.dirname, "qemu.ts"), "utf8");
    const key = hashOf(base.key, system, version, hardware).slice(0, 16);
    const saved = join(guestCache(), `booted-${key}`);
    await cached(saved, async (made) => {
      await makeDisk(join(made, "disk"), base, system, from);
      await using guest = await Guest.#at(made, base);
      await guest.powerOn();
      await guest.#saveTo(made);
    });
    const guest = await Guest.#at(saved, base);
    try {
      await guest.#power(join(saved, "state"));
      // Its clock stood still since.
      await guest.shell(`date -s @${Math.ceil(Date.now() / 1000)}`);
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Switched off, with a copy of a disk. */
  static async #at(saved: string, base: Base): Promise<Guest> {
    const folder = await mkdtemp(join(tmpdir(), "snowcat-guest-"));
    await execute("cp", ["--sparse=always", join(saved, "disk"), join(folder, "disk")]);
    await copyFile(join(base.folder, "identity"), join(folder, "identity"));
    const [type, key] = (await readFile(join(base.folder, "host.pub"), "utf8")).split(" ");
    return new Guest(folder, base, `${type} ${key}`);
  }

  get target(): MachineTarget {
    return {
      address: "127.0.0.1",
      port: this.#port,
      user: "root",
      sudo: false,
      hostPublicKey: this.#hostPublicKey,
      identityFile: join(this.#folder, "identity"),
      program: "sent",
    };
  }

  /** Boots what the disk says; sshd listens when this returns. */
  async powerOn(): Promise<void> {
    await this.#power(null);
    await this.#running.heard(READY);
  }

  /**
   * The plug is pulled: the guest stops where it is, and the disk keeps what had been flushed, and of later writes those
   * for which `survives` says so. None unless told otherwise.
   */
  async powerCut(survives: (index: number) => boolean = () => false): Promise<Settled> {
    await this.#running.kill();
    this.#qemu = null;
    return settleDisk(join(this.#folder, "disk"), join(this.#folder, "log"), survives);
  }

  /** As an administrator would: what systemd did not flush before the reset is lost, as in a power cut. */
  async reboot(): Promise<void> {
    await this.shell("systemctl reboot --no-block");
    await this.#running.resets();
    await this.powerCut();
    await this.powerOn();
  }

  async link(up: boolean): Promise<void> {
    await this.#running.link(up);
  }

  /** Waits until something in the guest has written this to /dev/ttyS0. */
  async heard(text: string): Promise<void> {
    await this.#running.heard(text);
  }

  /** What it has said on its serial console since it was switched on. */
  said(): string {
    return this.#running.said();
  }

  /** Runs a script in it, beside whatever is tested. */
  async shell(script: string): Promise<string> {
    const known = join(this.#folder, "known_hosts");
    await writeFile(known, `[127.0.0.1]:${this.#port} ${this.#hostPublicKey}\n`);
    const options = Object.entries({
      BatchMode: "yes",
      ConnectTimeout: "60",
      StrictHostKeyChecking: "yes",
      UserKnownHostsFile: known,
    }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    const key = ["-F", "none", "-i", join(this.#folder, "identity"), "-p", String(this.#port)];
    const { stdout } = await execute("ssh", [...key, ...options, "root@127.0.0.1", script], {
      timeout: PATIENCE,
    });
    return stdout;
  }

  async truth(): Promise<Truth> {
    const said = await this.shell(`
      entry=$(sed -n 's/^default //p' /boot/loader/loader.conf)
      echo "running $(readlink -f /run/current-system)"
      echo "booted $(readlink -f /run/booted-system)"
      echo "profile $(readlink -f /nix/var/nix/profiles/system)"
      echo "boots $(sed -n 's,.*init=\\([^ ]*\\)/init.*,\\1,p' "/boot/loader/entries/$entry")"
    `);
    const lines = new Map(said.split("\n").map((line) => line.split(" ", 2) as [string, string]));
    const value = (name: string): string | null => lines.get(name) || null;
    return {
      running: value("running"),
      booted: value("booted"),
      profile: value("profile"),
      boots: value("boots"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#qemu?.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Leaves its state and the disk that belongs to it in a folder; it is switched off then. */
  async #saveTo(folder: string): Promise<void> {
    await this.shell("systemctl is-system-running --wait; sync");
    await this.#running.save(join(folder, "state"));
    await this.powerCut(() => true);
    await rename(join(this.#folder, "disk"), join(folder, "disk"));
  }

  get #running(): Qemu {
    if (this.#qemu === null) throw new Error("the guest is switched off");
    return this.#qemu;
  }

  async #power(state: string | null): Promise<void> {
    const at = (name: string): string => join(this.#folder, name);
    await rm(at("overlay"), { force: true });
    this.#qemu = await Qemu.start({
      vmlinuz: join(this.#base.folder, "vmlinuz"),
      initrd: join(this.#base.folder, "initrd"),
      disk: at("disk"),
      overlay: at("overlay"),
      log: at("log"),
      serial: at("serial"),
      port: this.#port,
      state,
    });
    // The same after each cut: whoever watches the machine finds it again.
    this.#port = this.#qemu.port;
  }
}
