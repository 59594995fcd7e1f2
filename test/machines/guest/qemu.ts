import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds that anything of the guest may take: where instructions are emulated on a busy machine, all is slow. */
export const PATIENCE = 180_000;
const MEBIBYTES = 384;
/** No self-tests, and none of the costly mitigations: what is emulated has no such faults. */
const KERNEL = [
  "console=ttyS0",
  "quiet",
  "panic=0",
  "mitigations=off",
  "cryptomgr.notests",
  "no_timer_check",
  "nokaslr",
  "random.trust_cpu=on",
].join(" ");

export interface Hardware {
  readonly vmlinuz: string;
  readonly initrd: string;
  /** What is read where nothing was written: raw. */
  readonly disk: string;
  /** Gets what is written (qcow2, made anew), and the order of it. */
  readonly overlay: string;
  readonly log: string;
  readonly serial: string;
  /** On the host's loopback, for the guest's port 22; 0: any. */
  readonly port: number;
  /** A state of the running guest to go on from, with the disk as it was then; else it boots. */
  readonly state: string | null;
}

/** One power-on of the guest. */
export class Qemu {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #serial: string;
  readonly #answers: AsyncIterator<string>;
  #complaints = "";
  #port = 0;

  private constructor(child: ChildProcessWithoutNullStreams, serial: string) {
    this.#child = child;
    this.#serial = serial;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaints += text;
    });
  }

  static async start(hardware: Hardware): Promise<Qemu> {
    const { vmlinuz, initrd, disk, overlay, log, serial, port, state } = hardware;
    for (const file of [log, serial]) closeSync(openSync(file, "w"));
    await finished(
      spawn("qemu-img", ["create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay], {
        stdio: ["ignore", "ignore", "inherit"],
      }),
    );
    const drive = {
      "node-name": "written",
      driver: "qcow2",
      file: { driver: "file", filename: overlay },
    };
    const logged = {
      "node-name": "disk",
      driver: "blklogwrites",
      file: "written",
      log: { driver: "file", filename: log },
    };
    const child = spawn(
      "setpriv",
      [
        // Dies with whoever started it.
        ["--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config"],
        ["-no-reboot"],
        ["-machine", "pc,accel=tcg", "-cpu", "max", "-m", String(MEBIBYTES), "-display", "none"],
        ["-kernel", vmlinuz, "-initrd", initrd, "-append", KERNEL],
        ["-serial", `file:${serial}`, "-qmp", "stdio"],
        ["-blockdev", JSON.stringify(drive), "-blockdev", JSON.stringify(logged)],
        ["-device", "virtio-blk-pci,drive=disk"],
        ["-netdev", `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
        ["-device", "virtio-net-pci,id=nic,netdev=net,romfile="],
        state === null ? [] : ["-incoming", `exec:cat ${quoted(state)}`],
      ].flat(),
      { stdio: "pipe" },
    );
    const qemu = new Qemu(child, serial);
    try {
      await qemu.#greet();
      if (state !== null) {
        await qemu.#until("the saved state is read", async () => {
          const { status } = (await qemu.command("query-status")) as { status: string };
          return status === "paused";
        });
        await qemu.command("cont");
      }
      const text = await qemu.command("human-monitor-command", { "command-line": "info usernet" });
      // `TCP[HOST_FORWARD]  11       127.0.0.1 45123       10.0.2.15    22 …`
      qemu.#port = Number(/HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/u.exec(String(text))?.[1]);
      if (!(qemu.#port > 0)) throw new Error(`QEMU forwards no port: ${String(text)}`);
      return qemu;
    } catch (error) {
      await qemu.kill();
      throw error;
    }
  }

  /** Of the host's loopback; reaches the guest's sshd. */
  get port(): number {
    return this.#port;
  }

  /** What the guest has said since it was switched on. */
  said(): string {
    return readFileSync(this.#serial, "utf8");
  }

  /** Waits until the guest has said a text `times` times since it was switched on. */
  async heard(text: string, times = 1): Promise<void> {
    await this.#until(`it says "${text}"`, async () => this.said().split(text).length - 1 >= times);
  }

  /** The network's cable: pulled out, or put back. */
  async link(up: boolean): Promise<void> {
    await this.command("set_link", { name: "nic", up });
  }

  /** Stops it and saves its state; the disk is then complete in the log of writes. */
  async save(to: string): Promise<void> {
    await this.command("stop");
    await this.command("migrate", { uri: `exec:cat > ${quoted(to)}` });
    await this.#until("its state is saved", async () => {
      const { status } = (await this.command("query-migrate")) as { status: string };
      if (status === "failed") throw new Error("QEMU could not save its state");
      return status === "completed";
    });
  }

  /** Waits until the guest has asked for a reset, which ends this. */
  async resets(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, "exit", { signal: AbortSignal.timeout(PATIENCE) });
  }

  /** As when the plug is pulled. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async command(execute: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const answer = await this.#line();
      if ("error" in answer) throw new Error(`QEMU, ${execute}: ${JSON.stringify(answer.error)}`);
      // Anything else is an event.
      if ("return" in answer) return answer.return;
    }
  }

  async #greet(): Promise<void> {
    const greeting = await this.#line();
    if (!("QMP" in greeting)) throw new Error("QEMU does not greet");
    await this.command("qmp_capabilities");
  }

  async #line(): Promise<Record<string, unknown>> {
    const line = await this.#answers.next();
    if (line.done === true) throw new Error(`QEMU has ended: ${this.#complaints}${this.said()}`);
    return JSON.parse(line.value) as Record<string, unknown>;
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + PATIENCE; !(await holds()); await pause(20)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`QEMU ended before ${what}: ${this.#complaints}`);
      if (Date.now() > deadline)
        throw new Error(
          `not within ${PATIENCE} ms: ${what}. It said: ${this.said().slice(-4_000)}`,
        );
    }
  }
}

/** For the shell that QEMU starts: our own path, which is no one's data. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

async function finished(child: ReturnType<typeof spawn>): Promise<void> {
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnfile} exited with ${code}`);
}
