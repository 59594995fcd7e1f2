import {
  env,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  COMMENT,
  type DesiredCheck,
  type DesiredComment,
  type DesiredReaction,
} from "../../../src/bot/objects/contracts.ts";
import type { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { APP, FakeGitHub } from "./github.ts";

let object = 1_000;
let github: FakeGitHub;
let stub: DurableObjectStub<Writer>;
let now: number;

beforeEach(async () => {
  vi.restoreAllMocks();
  vi.spyOn(console, "warn").mockImplementation(() => {});
  github = new FakeGitHub();
  github.install();
  now = Date.now();
  object += 1;
  stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/${object}`);
  await setClock();
});

async function setClock(): Promise<void> {
  await runInDurableObject(stub, (writer) => {
    writer.clock = () => now;
  });
}

const OPEN =
  "SELECT count(*) AS open FROM effect WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations))";

/** Runs alarms, each at its time by the object's clock, until GitHub shows everything or never will. */
async function drain(): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { alarm, open } = await runInDurableObject(stub, async (_writer, state) => ({
        alarm: await state.storage.getAlarm(),
        open: state.storage.sql.exec<{ open: number }>(OPEN).one().open,
      }));
      if (open === 0) return true;
      now = Math.max(now, alarm ?? 0);
      if (alarm !== null) await runDurableObjectAlarm(stub);
      return false;
    },
    { timeout: 10_000, interval: 1 },
  );
}

const repository = { id: 42, owner: "o", name: "r" };
const sticky = (version: number, body = `version ${version}`): DesiredComment => ({
  kind: "sticky",
  resource: "comment:42:7",
  version,
  repository,
  pull: 7,
  body,
});
const notice = (about: string, body = about): DesiredComment => ({
  ...sticky(1, body),
  kind: "comment",
  resource: `comment:42:7:${about}`,
});
const reaction = (content: DesiredReaction["content"]): DesiredReaction => ({
  kind: "reaction",
  resource: `reaction:42:5:${content}`,
  repository,
  comment: 5,
  content,
});
const MARKER = "<!-- snowcat comment:42:7 -->\n";
const bodies = () => github.comments.map(({ body }) => body);
const posts = () => github.requests.filter((line) => line === "POST /repos/o/r/issues/7/comments");

describe("the sticky comment", () => {
  it("is made once and edited, newest version last", async () => {
    await stub.say([sticky(1)]);
    await drain();
    await stub.say([sticky(3), sticky(2)]);
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 3`]);
    expect(github.unexpected).toEqual([]);
  });

  it("says nothing twice: progress that was never sent is never sent", async () => {
    await stub.say([sticky(1), sticky(2), sticky(3)]);
    await drain();
    await stub.say([sticky(3)]);
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 3`]);
    expect(posts()).toHaveLength(1);
  });

  it("is found again where its row is gone, by the marker and by our App's own hand", async () => {
    const others = [
      // Somebody who copied it, our App in a person's name, another App, and one who quotes it.
      { app: null, type: "User", body: `${MARKER}copied` },
      { app: APP, type: "User", body: `${MARKER}in a person's name` },
      { app: APP + 1, type: "Bot", body: `${MARKER}another's` },
      { app: APP, type: "Bot", body: `See:\n${MARKER}quoted` },
      { app: APP, type: "Bot", body: "<!-- snowcat comment:42:7:comment:5:1 -->\nabout something" },
    ];
    for (const other of others) github.comments.push({ id: github.comments.length + 1, ...other });
    for (let n = github.comments.length; n < 150; n += 1)
      github.comments.push({ id: n + 1, app: null, type: "User", body: "chat" });
    github.comments.push({ id: 151, app: APP, type: "Bot", body: `${MARKER}of long ago` });
    await stub.say([sticky(1)]);
    await drain();
    expect(posts()).toEqual([]);
    expect(github.comments.at(-1)?.body).toBe(`${MARKER}version 1`);
    expect(bodies().slice(0, 5)).toEqual(others.map(({ body }) => body));
  });

  it("whose creation got lost is looked for before it is made again, however long the list lags", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
    await stub.say([sticky(1)]);
    github.lag = 4;
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 1`]);
    github.faults.push({ on: "POST /repos", fault: { kind: "status", status: 502 } });
    await stub.say([notice("x")]);
    await drain();
    expect(github.comments).toHaveLength(2);
  });

  it("is looked up by an object that was restarted while its request was on its way", async () => {
    github.comments.push({ id: 1, app: APP, type: "Bot", body: `${MARKER}version 1` });
    // At once, before the alarm rings by itself.
    await runInDurableObject(stub, async (writer, state) => {
      const wished = writer.say([sticky(2)]);
      state.storage.sql.exec("UPDATE effect SET state = 'sending'");
      await wished;
      await state.storage.deleteAlarm();
    });
    await evictDurableObject(stub);
    await setClock();
    await stub.wake();
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 2`]);
  });

  it("that somebody deleted comes back only with something new", async () => {
    await stub.say([sticky(1)]);
    await drain();
    github.comments.length = 0;
    await stub.say([sticky(1)]);
    await drain();
    expect(github.comments).toEqual([]);
    await stub.say([sticky(2)]);
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 2`]);
  });

  it("is parked where the conversation is locked, and tried with the next version", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    github.faults.push({ on: "POST /repos", fault: { kind: "status", status: 403 } });
    await stub.say([sticky(1)]);
    await drain();
    expect(github.comments).toEqual([]);
    await stub.say([sticky(2)]);
    await drain();
    expect(bodies()).toEqual([`${MARKER}version 2`]);
  });

  it("of more than GitHub takes is a bug, and said so", async () => {
    await runInDurableObject(stub, async (writer) => {
      await expect(writer.say([sticky(1, "x".repeat(COMMENT + 1))])).rejects.toThrow(/65001/u);
    });
  });
});

describe("a comment of its own", () => {
  it("is made once, whatever is said again and whatever answer is lost", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
    await stub.say([notice("a"), notice("a", "another text"), notice("b")]);
    await drain();
    await stub.say([notice("a")]);
    await drain();
    expect(bodies().toSorted()).toEqual([
      "<!-- snowcat comment:42:7:a -->\na",
      "<!-- snowcat comment:42:7:b -->\nb",
    ]);
  });
});

describe("a reaction", () => {
  it("is there once, whatever answer is lost; asking again needs no looking up", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
    await stub.say([reaction("eyes")]);
    await drain();
    await stub.say([reaction("eyes"), reaction("+1")]);
    await drain();
    expect(github.reactions).toEqual(["eyes on 5", "+1 on 5"]);
    expect(github.requests.filter((line) => line.startsWith("GET"))).toEqual([]);
  });

  it("to a comment that is gone is given up", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    github.faults.push({ on: "POST /repos", fault: { kind: "status", status: 404 } });
    await stub.say([reaction("eyes")]);
    await drain();
    expect(github.reactions).toEqual([]);
  });
});

describe("limits", () => {
  it("hold comments back like checks, and checks that always come go first", async () => {
    const check: DesiredCheck = {
      resource: "check:42-1:snowcat",
      run: "42-1",
      yields: false,
      succeeds: [],
      version: 1,
      repository,
      name: "snowcat",
      head: "a".repeat(40),
      detailsUrl: "https://snowcat.example/runs/42-1",
      status: "in_progress",
      conclusion: null,
      title: "t",
      summary: "s",
      text: null,
      annotations: [],
      actions: [],
      startedAt: 0,
      completedAt: null,
    };
    // As many as the budget has, and more.
    await stub.say(Array.from({ length: 90 }, (_one, n) => notice(`n${n}`)));
    const until = (holds: () => boolean) =>
      vi.waitUntil(
        async () => {
          await runDurableObjectAlarm(stub);
          return holds();
        },
        { timeout: 10_000, interval: 1 },
      );
    await until(() => github.comments.length === 70);
    await stub.desire([check]);
    await until(() => github.checks.length === 1);
    expect(github.comments).toHaveLength(70);
    await drain();
    expect(github.comments).toHaveLength(90);
  });

  it("silence the whole installation, comments too, and lose none", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "limit", retryAfter: 60 } });
    await stub.say([reaction("eyes")]);
    await vi.waitUntil(
      async () => {
        await runDurableObjectAlarm(stub);
        return github.faults.length === 0;
      },
      { timeout: 10_000, interval: 1 },
    );
    const asked = github.requests.length;
    await stub.say([notice("a")]);
    await runDurableObjectAlarm(stub);
    expect(github.requests).toHaveLength(asked);
    const began = now;
    await drain();
    expect(now - began).toBeGreaterThanOrEqual(59_000);
    expect([github.reactions, github.comments.length]).toEqual([["eyes on 5"], 1]);
  });
});

describe("teams", () => {
  it("are asked about one by one; not in it, and not to be known, are both no", async () => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      const { pathname } = new URL(input instanceof Request ? input.url : String(input));
      const json = (body: object, status = 200) => Response.json(body, { status });
      if (pathname.endsWith("/access_tokens"))
        return json(
          { token: "t", expires_at: new Date(Date.now() + 3_600_000).toISOString() },
          201,
        );
      const slug = pathname.split("/").at(4);
      if (slug === "ops") return json({ state: "active", role: "member" });
      if (slug === "asked") return json({ state: "pending", role: "member" });
      if (slug === "hidden") return json({ message: "Resource not accessible" }, 403);
      if (slug === "away") return json({ message: "?" }, 503);
      return json({ message: "Not Found" }, 404);
    });
    const ask = (...slugs: string[]) => stub.teams("o", slugs, "ada");
    expect(await ask("ops", "asked", "hidden", "none")).toEqual({ ok: true, value: ["ops"] });
    expect(await ask("away", "ops")).toMatchObject({ ok: false, missing: false });
  });
});
