import { afterEach, describe, expect, it, vi } from "vitest";
import { enrolled, TestRunner } from "./runner.ts";
import { newFleet, newJob, spyRuns } from "./world.ts";

const EXCHANGE = "e".repeat(64);
afterEach(() => void vi.restoreAllMocks());

/** A runner of this pool that has said hello with an exchange. */
async function connected(
  { account, fleet }: ReturnType<typeof newFleet>,
  pool: "trusted" | "untrusted",
  exchange: string | undefined,
  slots = 1,
): Promise<{ id: string; socket: TestRunner }> {
  const runner = await enrolled(fleet, account, { pool });
  const socket = await TestRunner.connect(fleet, runner);
  socket.hello({ slots, ...(exchange === undefined ? {} : { exchange }) });
  return { id: runner.reply.runner, socket };
}

describe("an exchange", () => {
  it.each([["trusted", "untrusted"] as const, ["untrusted", "trusted"] as const])(
    "of a trusted pool is never written to by an untrusted one: %s first",
    async (first, second) => {
      spyRuns();
      const of = newFleet();
      const a = await connected(of, first, EXCHANGE);
      await a.socket.nth("welcome", 0);
      const b = await connected(of, second, EXCHANGE);
      const untrusted = first === "untrusted" ? a : b;
      expect(await untrusted.socket.closed).toBe(1008);
    },
  );

  it("is named to who has it, and the run hears whose it is", async () => {
    const runs = spyRuns();
    const of = newFleet();
    const { socket } = await connected(of, "trusted", EXCHANGE);
    const evaluate = newJob();
    if (evaluate.work.kind !== "evaluate") throw new Error("unreachable");
    const { source, selections, limits } = evaluate.work;
    const derivations = [{ selection: 0, path: ["a"], drv: `/nix/store/${"0".repeat(32)}-a.drv` }];
    const build = newJob({
      kind: "build",
      exchange: EXCHANGE,
      work: { kind: "build", source, selections, limits, derivations },
    });
    await of.fleet.enqueue(of.account, build);
    const offer = await socket.offer(build.job, 1);
    expect(JSON.parse(offer.specification)).toMatchObject({ work: { exchange: EXCHANGE } });
    expect(runs.told[0]).toMatchObject({ call: "offered", exchange: EXCHANGE });
  });

  it("counts the slots of those who share it, where there are several", async () => {
    spyRuns();
    const of = newFleet();
    const ask = () =>
      of.fleet.partners(of.account, { pool: "trusted", repository: 11, exchange: EXCHANGE });
    await (await connected(of, "trusted", EXCHANGE)).socket.nth("welcome", 0);
    await (await connected(of, "trusted", undefined)).socket.nth("welcome", 0);
    expect(await ask()).toBe(0);
    await (await connected(of, "trusted", EXCHANGE)).socket.nth("welcome", 0);
    expect(await ask()).toBe(2);
  });

  it("says who can build what", async () => {
    spyRuns();
    const of = newFleet();
    await (await connected(of, "trusted", EXCHANGE)).socket.nth("welcome", 0);
    await (await connected(of, "trusted", undefined)).socket.nth("welcome", 0);
    const ask = (exchange: string | null, system: string) =>
      of.fleet.reach(of.account, { pool: "trusted", repository: 11, exchange }, [
        { system, features: [] },
      ]);
    expect(await ask(EXCHANGE, "x86_64-linux")).toEqual([{ anybody: null, partners: null }]);
    expect(await ask(null, "x86_64-linux")).toMatchObject([
      { anybody: null, partners: [expect.any(String)] },
    ]);
    expect(await ask(EXCHANGE, "riscv64-linux")).toMatchObject([
      { anybody: ["system riscv64-linux"], partners: ["system riscv64-linux"] },
    ]);
  });
});
