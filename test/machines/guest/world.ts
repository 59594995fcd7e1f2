import type { HealthCheck } from "../../../src/protocol/machine.ts";
import type { Lab } from "../lab.ts";
import { startLab } from "../lab.ts";
import { Guest } from "./guest.ts";
import type { FleetSystem } from "./systems.ts";
import { fleetSystems } from "./systems.ts";

/** Limits (s) for a machine on which everything takes ten times as long as on a real one. */
export const GUEST_LIMITS = {
  connectSeconds: 60,
  copySeconds: 120,
  activationSeconds: 120,
  confirmationSeconds: 150,
};

/** What systems tell on the console: that an activation, or the writing of a boot entry, is under way. */
export const ACTIVATING = "guest: activating";
export const WRITES_ENTRY = "guest: writes the boot entry";
const tell = (text: string): string => `echo "${text}" > /dev/ttyS0`;
/** A network as it is at boot; systems that lose it are taken back to one that has it. */
const network = "ip link set eth0 up";
const failing = "[Unit]\nDescription=Fails\n[Service]\nType=oneshot\nExecStart=/bin/false\n";

const SYSTEMS = {
  old: { page: "old", activation: network },
  good: { page: "good", activation: network, extraUnits: ["worker.service"] },
  /** For a while within its activation. */
  lengthy: { page: "lengthy", activation: `${network}; ${tell(ACTIVATING)}; sleep 20` },
  endless: { page: "endless", activation: `${tell(ACTIVATING)}; sleep 600` },
  /** For a while between its profile and its boot entry. */
  lingering: {
    page: "lingering",
    activation: network,
    bootHook: `${tell(WRITES_ENTRY)}; sleep 20`,
  },
  sick: { page: "sick", activation: network, unitText: { "sick.service": failing } },
  deaf: { page: "deaf", activation: "ip link set eth0 down" },
  incompatible: { page: "incompatible", activation: network, interface: "3" },
} satisfies Record<string, FleetSystem>;
export type GuestSystem = keyof typeof SYSTEMS;

/** Units that a system on the guest must have running to be called working. */
const UNITS = ["nginx.service", "lnbits.service", "pict-rs.service", "ssh.service"];

/** The store in which systems are built, and guests that run `old`. */
export class GuestWorld implements AsyncDisposable {
  readonly lab: Lab;
  readonly systems: Record<GuestSystem, string>;

  private constructor(lab: Lab, systems: Record<GuestSystem, string>) {
    this.lab = lab;
    this.systems = systems;
  }

  static async open(): Promise<GuestWorld> {
    const lab = await startLab();
    try {
      return new GuestWorld(lab, await fleetSystems<GuestSystem>(lab.builder, SYSTEMS));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async guest(): Promise<Guest> {
    return await Guest.start(this.systems.old, this.lab.builder.source);
  }

  nameOf(path: string | null): string {
    const found = Object.entries(this.systems).find(([, system]) => system === path);
    return found?.[0] ?? path ?? "nothing";
  }

  /** Why what runs on a guest cannot be called a working system; null: it can. */
  async ailment(guest: Guest): Promise<string | null> {
    const running = this.nameOf((await guest.truth()).running);
    const state = await guest.shell(
      [
        `for unit in ${UNITS.join(" ")}; do systemctl is-active -q $unit || echo "$unit is not active"; done`,
        // Every path of it has the bytes that it was built with.
        "nix-store --verify-path $(nix-store -qR /run/current-system) 2>&1",
        "busybox wget -q -O - http://127.0.0.1/ | sed 's/^/page: /'",
      ].join("; "),
    );
    return state === `page: ${running}\n` ? null : `${running}: ${state}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close();
  }
}

/** That the site answers on the machine itself: nothing of the guest but sshd can be reached from outside. */
export const SITE: HealthCheck = {
  kind: "command",
  argv: ["busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"],
  graceSeconds: 60,
  intervalSeconds: 1,
  timeoutSeconds: 30,
};
