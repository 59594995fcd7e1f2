import { type ChildProcess, spawn } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ChildOptions } from "./child.ts";
import { ControlPlane } from "./control-plane.ts";
import { specification } from "./world.ts";

let plane: ControlPlane;
let directory = "";
let children: ChildProcess[] = [];
const key = generateKeyPairSync("ed25519")
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

beforeEach(async () => {
  plane = await ControlPlane.start();
  directory = await mkdtemp(join(tmpdir(), "snowcat-kill-"));
  children = [];
});
afterEach(async () => {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) await kill(child);
  await plane.stop();
  await rm(directory, { recursive: true, force: true });
});

function start(count: number | null): ChildProcess {
  const options: ChildOptions = {
    url: plane.url,
    directory,
    key,
    count,
    identity: {
      runner: "r1",
      host: "github.com",
      account: 9,
      pool: "trusted",
      class: "big",
      repositories: [11],
      specificationKeys: [plane.publicKey],
    },
  };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "child.ts"), JSON.stringify(options)],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

const names = () =>
  plane.run.map(({ body }) => (body.kind === "attributes" ? body.attributes[0]?.path[0] : null));
const counted = (count: number) => Array.from({ length: count }, (_, at) => `a${at}`);

it("SIGKILL again and again while it works: what was said stays said, once and in order, and the loss is told", async () => {
  let attempt = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const hellos = plane.hellos.length;
    const child = start(null);
    await plane.until(() => plane.hellos.length > hellos);
    attempt += 1;
    const before = plane.run.length;
    plane.logs.clear();
    plane.closed.clear();
    plane.offer(specification("11-1.0", { attempt }), `attempt-token-${attempt}-0123456789`);
    await plane.until(
      () =>
        plane.run.length > before + 20 * (kills + 1) && (plane.logs.get("job")?.length ?? 0) > 0,
    );
    await kill(child);
    const next = start(null);
    await plane.until(() => plane.finished("11-1.0").length > kills);
    expect(plane.finished("11-1.0").at(-1)).toMatchObject({
      attempt,
      body: { verdict: { kind: "infrastructure" } },
    });
    const said = names().slice(before);
    expect(said).toEqual(counted(said.length));
    const log = plane.logs.get("job") ?? Buffer.alloc(0);
    const lines = log.toString().split("\n").slice(0, -1);
    expect(lines).toEqual(lines.map((_, at) => String(at)));
    expect(plane.closed.get("job")).toMatchObject({
      size: log.length,
      sha256: createHash("sha256").update(log).digest("hex"),
    });
    await kill(next);
  }
  expect(plane.gaps).toBe(0);
});

it("SIGKILL after the verdict was written and before it was committed: the next life tells it, once", async () => {
  let lose = true;
  plane.admit = (_path, { body }) => !(lose && (body as { kind: string }).kind === "finished");
  const seen = Promise.withResolvers<void>();
  const admit = plane.admit;
  plane.admit = (path, frame) => {
    if ((frame.body as { kind: string }).kind === "finished") seen.resolve();
    return admit(path, frame);
  };
  const first = start(50);
  await plane.until(() => plane.hellos.length > 0);
  plane.offer(specification("11-1.0"));
  await seen.promise;
  await kill(first);
  expect(plane.finished("11-1.0")).toEqual([]);
  lose = false;
  start(50);
  await plane.until(() => plane.finished("11-1.0").length > 0);
  expect(plane.finished("11-1.0")).toMatchObject([{ body: { verdict: { kind: "succeeded" } } }]);
  expect(names()).toEqual(counted(50));
  expect(plane.logs.get("job")?.toString()).toBe(
    counted(50)
      .map((name) => `${name.slice(1)}\n`)
      .join(""),
  );
});

it("SIGTERM lets the job go on, a second one cancels it and tells so, and the program ends", async () => {
  const child = start(null);
  const ended = once(child, "exit");
  await plane.until(() => plane.hellos.length > 0);
  plane.offer(specification("11-1.0"));
  await plane.until(() => plane.run.length > 10);
  child.kill("SIGTERM");
  await plane.until(() => plane.unkept.some(({ kind }) => kind === "drain"));
  const after = plane.run.length;
  await plane.until(() => plane.run.length > after + 10);
  expect(plane.finished("11-1.0")).toEqual([]);
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  expect(plane.finished("11-1.0")).toMatchObject([
    { body: { verdict: { kind: "cancelled", by: "stopped" } } },
  ]);
  expect(await readdir(join(directory, "attempts"))).toEqual([]);
});
