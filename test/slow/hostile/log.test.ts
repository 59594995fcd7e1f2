import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { derivation, flake } from "../../demo/scenarios/flakes.ts";
import { RunPage } from "../../e2e/run-page.ts";
import { onStack } from "../../e2e/suite.ts";

const GIGABYTE = 1_000_000_000;
const MEBIBYTE = 1_024 ** 2;
/** What agent and control plane may hold of it: the cap of a stream is 9 MiB, and some buffers. */
const MEMORY = 512 * MEBIBYTE;
const DISK = 64 * MEBIBYTE;

onStack("a gigabyte of log", { slots: 2 }, (at) => {
  test("is cut to its head and tail, and fills neither memory nor disk", async () => {
    const { stage, stack } = at;
    const { stateDirectory } = stack.runner;
    const project = await stage.project("prints", { "README.md": "nothing yet\n" });
    const agents = await agentsOf(stateDirectory);
    expect(agents.length).toBeGreaterThan(0);
    const before = await size(stack.worker.stateDirectory);
    let [memory, spool] = [0, 0];
    let looking = true;
    const watched = (async () => {
      while (looking) {
        memory = Math.max(memory, ...(await Promise.all(agents.map(resident))));
        spool = Math.max(spool, await size(join(stateDirectory, "agent")));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const line = "x".repeat(499);
    const head = await project.push("main", {
      "flake.nix": flake({
        loud: derivation(
          "prints-a-gigabyte",
          `echo its-first-line; yes ${line} | head -c ${GIGABYTE}; echo; echo its-last-line; echo > $out`,
        ),
        neighbour: derivation("prints-little", "echo neighbour; echo > $out"),
      }),
    });
    const checks = await project.judged(head, { patience: 480_000 });
    looking = false;
    await watched;
    expect(checks.get("snowcat"), JSON.stringify(checks.seen())).toBe("success");
    const log = await (await RunPage.of(project, head)).logText();
    expect(log).toContain("its-first-line");
    expect(log).toContain("its-last-line");
    expect(log).toMatch(
      /\[snowcat: \d{9} bytes left out here; SHA-256 of the whole log: [0-9a-f]{64}\]/u,
    );
    console.log(
      `agent ${Math.round(memory / MEBIBYTE)} MiB, its disk ${Math.round(spool / MEBIBYTE)} MiB, the Worker's ${Math.round(((await size(stack.worker.stateDirectory)) - before) / MEBIBYTE)} MiB`,
    );
    expect(memory).toBeLessThan(MEMORY);
    expect(spool).toBeLessThan(DISK);
    expect((await size(stack.worker.stateDirectory)) - before).toBeLessThan(DISK);
    expect(await size(join(stateDirectory, "store/nix/var/log"))).toBeLessThan(MEBIBYTE);
  });
});

/** The programs of a runner that were started with its configuration: supervisor and agent. */
async function agentsOf(stateDirectory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter(Boolean);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => lines[index]?.includes(`${stateDirectory}/runner.json`));
}

async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return 1_024 * Number(/^VmRSS:\s+(\d+)/mu.exec(status)?.[1] ?? 0);
}

async function size(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name)).catch(() => null))?.size ?? 0),
  );
  return sizes.reduce((sum, one) => sum + one, 0);
}
