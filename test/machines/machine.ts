import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MachineTarget } from "../../src/runner/machine/index.ts";

const execute = promisify(execFile);

export interface MachineSizes {
  /** Of a file system of its own, in MiB; it is lost when the machine is switched off. 0: the host's. */
  readonly nixMebibytes: number;
  readonly bootMebibytes: number;
}

export interface MachinePlace {
  readonly directory: string;
  readonly env: Record<string, string>;
  readonly sizes: MachineSizes;
  /** Names of the interface on the host and both addresses, `10.213.a.b`. */
  readonly link: { readonly name: string; readonly host: string; readonly guest: string };
  readonly target: MachineTarget;
}

/** One machine: namespaces with an sshd, a store, a /boot and a /run of their own. Its disk outlives its power. */
export class TestMachine {
  readonly place: MachinePlace;
  readonly target: MachineTarget;
  #unshare: ChildProcess | null = null;
  /** Process 1 of the machine, as the host numbers it. */
  #init = 0;

  constructor(place: MachinePlace) {
    this.place = place;
    this.target = place.target;
  }

  /** Boots what its boot entry names; sshd listens when this returns. */
  async powerOn(): Promise<void> {
    const { directory, env, sizes, link } = this.place;
    const size = (mebibytes: number) => (mebibytes === 0 ? "0" : `${mebibytes}m`);
    const child = spawn(
      "unshare",
      [
        "--net",
        "--mount",
        "--uts",
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child",
        "sh",
        join(import.meta.dirname, "fixtures/boot.sh"),
        directory,
        size(sizes.nixMebibytes),
        size(sizes.bootMebibytes),
      ],
      { env, stdio: ["pipe", "pipe", "inherit"] },
    );
    this.#unshare = child;
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const expect = async (wanted: string): Promise<void> => {
      const line = await lines.next();
      if (line.value !== wanted) throw new Error(`${directory} did not say "${wanted}" at boot`);
    };
    await expect("ready");
    this.#init = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
    const ip = (...args: string[]) => execute("ip", args, { env });
    await ip("link", "add", link.name, "type", "veth", "peer", "eth0", "netns", `${this.#init}`);
    await ip("address", "add", `${link.host}/30`, "dev", link.name);
    await ip("link", "set", link.name, "up");
    child.stdin.write(`${link.guest}/30\n`);
    await expect("up");
    await this.#listening();
  }

  /** At once, whatever it does. */
  async powerCut(): Promise<void> {
    const child = this.#unshare;
    if (child === null) return;
    this.#unshare = null;
    // A terminal's signals reach it as well.
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    // The interface goes with the namespace, some time after its last process.
    await until("the machine's interface is gone", async () => {
      try {
        await execute("ip", ["link", "delete", this.place.link.name], { env: this.place.env });
        return true;
      } catch {
        return !readdirSync("/sys/class/net").includes(this.place.link.name);
      }
    });
  }

  async linkDown(): Promise<void> {
    await execute("ip", ["link", "set", this.place.link.name, "down"], { env: this.place.env });
  }

  async linkUp(): Promise<void> {
    await execute("ip", ["link", "set", this.place.link.name, "up"], { env: this.place.env });
  }

  /** Ends every sshd of it, with the connections they serve; process 1 starts another. */
  killSshd(): number {
    const killed = this.processes().filter(({ name }) => name === "sshd");
    for (const { pid } of killed) process.kill(pid, "SIGKILL");
    return killed.length;
  }

  /** Every process of it, by the host's numbers. */
  processes(): { pid: number; name: string; command: string }[] {
    const inside = namespaceOf(this.#init);
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/u.test(entry) && namespaceOf(Number(entry)) === inside)
      .map((entry) => {
        const read = (file: string): string => {
          try {
            return readFileSync(`/proc/${entry}/${file}`, "utf8");
          } catch {
            return "";
          }
        };
        return {
          pid: Number(entry),
          name: read("comm").trim(),
          command: read("cmdline").replaceAll("\0", " ").trim(),
        };
      });
  }

  /** Runs a program in it, not over the network. */
  async shell(...argv: string[]): Promise<string> {
    const args = ["--target", `${this.#init}`, "--net", "--mount", "--uts", "--pid", "--", ...argv];
    const { stdout } = await execute("nsenter", args, { env: this.place.env });
    return stdout;
  }

  /** What runs, what booted, what the profile names, what the boot entry names; null where there is no such link. */
  async truth(): Promise<{
    running: string | null;
    booted: string | null;
    profile: string | null;
    boots: string;
  }> {
    const script = `for link in /run/current-system /run/booted-system /nix/var/nix/profiles/system; do readlink -f $link || echo; done
      if [ -e /boot/loader/loader.conf ]; then sed -n 's,^options init=\\([^ ]*\\)/init.*,\\1,p' "/boot/loader/entries/$(sed -n 's/^default //p' /boot/loader/loader.conf)"; else cat /boot/entry; fi`;
    const [running, booted, profile, boots = ""] = (await this.shell("sh", "-c", script)).split(
      "\n",
    );
    return {
      running: running || null,
      booted: booted || null,
      profile: profile || null,
      boots,
    };
  }

  async close(): Promise<void> {
    await this.powerCut();
  }

  async #listening(): Promise<void> {
    const { port, address } = this.target;
    const host = `exec 3<>/dev/tcp/${address}/${port}; read -r -t 1 line <&3; case $line in SSH*) ;; *) exit 1;; esac`;
    await until("sshd answers", () =>
      execute("bash", ["-c", host], { env: this.place.env }).then(
        () => true,
        () => false,
      ),
    );
  }
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}

/** Waits for a condition, up to `limitMs`; the error names what did not come true. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
