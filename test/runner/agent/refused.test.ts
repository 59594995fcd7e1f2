import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { FromRunner } from "../../../src/protocol/control.ts";
import type { Specification } from "../../../src/protocol/specification.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { specification, world, type World } from "./world.ts";

/** What an agent does not do, and that it tells the audit log of it. */

const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };
let at: World;
let ran: string[];
const run = async ({ job, attempt }: Specification): Promise<Verdict> => {
  ran.push(`${job}/${attempt}`);
  return SUCCEEDED;
};

beforeEach(async () => {
  at = await world();
  ran = [];
});
afterEach(() => at.stop());

type Refused = Extract<FromRunner, { kind: "refused" }>;
const refused = () =>
  at.plane.control.flatMap(({ body, job, attempt }) =>
    body.kind === "refused" ? [{ ...body, job, attempt }] : [],
  );
const digestOf = (spec: Specification) =>
  createHash("sha256").update(JSON.stringify(spec)).digest("hex");

async function refusedOf(offer: () => void): Promise<Refused & { job: string | null }> {
  const before = refused().length;
  offer();
  await at.plane.until(() => refused().length > before);
  const [one] = refused().slice(before);
  if (one === undefined) throw new Error("nothing was refused");
  return one;
}

it.each([
  ["host", { host: "github.example" }],
  ["account", { account: 10 }],
  ["repository", { repository: { id: 12, owner: "o", name: "s", private: false } }],
  ["runner", { runner: "r2" }],
  ["pool", { pool: "untrusted" }],
  ["protocol", { protocol: 2 }],
  ["expired", { issuedAt: 1, expiresAt: 2 }],
  ["clock", { issuedAt: Date.now() + 3_600_000, expiresAt: Date.now() + 7_200_000 }],
] as const)("tells of a signed specification whose %s is wrong", async (refusal, change) => {
  await at.start(run);
  await at.plane.until(() => at.plane.hellos.length === 1);
  const spec = specification("11-1.0", change);
  expect(await refusedOf(() => at.plane.offer(spec))).toMatchObject({
    refusal,
    job: "11-1.0",
    attempt: 1,
    digest: digestOf(spec),
  });
  expect(ran).toEqual([]);
});

it("tells of a forged, of an altered one, and of what is none at all, and goes on", async () => {
  await at.start(run);
  await at.plane.until(() => at.plane.hellos.length === 1);
  const spec = specification("11-1.0");
  const { privateKey } = generateKeyPairSync("ed25519");
  const forged = sign(null, Buffer.from(JSON.stringify(spec)), privateKey).toString("base64");
  expect(await refusedOf(() => at.plane.offer(spec, "t", forged))).toMatchObject({
    refusal: "signature",
    job: "11-1.0",
  });
  const altered = { ...spec, attempt: 2 };
  expect(
    await refusedOf(() => at.plane.offer(altered, "t", at.plane.signatureOf(spec))),
  ).toMatchObject({ refusal: "signature", digest: digestOf(altered) });
  // Names that no frame could carry are not told: such a frame would never be taken, and be sent for ever.
  for (const text of ["nothing", "{}", '{"job":"x","attempt":1}', '{"job":"11-1.0","attempt":0}'])
    expect(
      await refusedOf(() =>
        at.plane.tell({ kind: "offer", specification: text, signature: "AA==", token: "t" }, spec),
      ),
    ).toMatchObject({ refusal: "signature", job: null, attempt: null });
  expect(ran).toEqual([]);
  at.plane.offer(specification("11-2.0"));
  await at.plane.until(() => at.plane.finished("11-2.0").length === 1);
  expect(ran).toEqual(["11-2.0/1"]);
});

it("does once what was said twice: while it runs, after its end, and after a restart", async () => {
  const going = Promise.withResolvers<void>();
  const held = async (spec: Specification): Promise<Verdict> => {
    const verdict = await run(spec);
    await going.promise;
    return verdict;
  };
  const first = await at.start(held);
  await at.plane.until(() => at.plane.hellos.length === 1);
  const spec = specification("11-1.0");
  at.plane.offer(spec);
  await at.plane.until(() => at.plane.control.some(({ body }) => body.kind === "started"));
  const replayed = { refusal: "replayed", job: "11-1.0", attempt: 1, digest: digestOf(spec) };
  expect(await refusedOf(() => at.plane.offer(spec))).toMatchObject(replayed);
  going.resolve();
  await at.plane.until(() => at.plane.finished("11-1.0").length === 1);
  await first.drain();
  await first.stop();
  await at.start(held);
  await at.plane.until(() => at.plane.hellos.length === 2);
  expect(await refusedOf(() => at.plane.offer(spec))).toMatchObject(replayed);
  expect(ran).toEqual(["11-1.0/1"]);
  // The next attempt is another one.
  at.plane.offer({ ...spec, attempt: 2 });
  await at.plane.until(() => at.plane.finished("11-1.0").length === 2);
  expect(ran).toEqual(["11-1.0/1", "11-1.0/2"]);
});
