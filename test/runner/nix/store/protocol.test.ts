import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Question } from "../../../../src/runner/nix/store/serve/protocol.ts";
import {
  GREETING,
  sri,
  whatIsKnown,
  whichAreValid,
} from "../../../../src/runner/nix/store/serve/protocol.ts";
import { Incoming, number, text, texts } from "../../../../src/runner/nix/store/serve/wire.ts";
import { base32, cut, greeting, infos } from "./encoding.ts";

const MOST = 2 ** 20;

/** What the question makes of an answer that comes in these pieces. */
function read<T>(question: Question<T>, pieces: readonly Uint8Array[]): Promise<T> {
  const incoming = new Incoming();
  const answer = incoming.read(question.answer(), MOST);
  for (const piece of pieces) incoming.push(piece);
  incoming.end(new Error("no more came"));
  return answer;
}

const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
const names = fc.stringMatching(/^[a-z0-9+._-]{1,40}$/u);
const paths = digests
  .map((digest) => base32(digest.subarray(0, 20)))
  .chain((hash) => names.map((name) => `/nix/store/${hash}-${name}`));
const registered = fc.uniqueArray(
  fc.record({
    path: paths,
    digest: digests,
    narSize: fc.maxSafeNat(),
    references: fc.array(paths, { maxLength: 4 }),
    signatures: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 3 }),
  }),
  { selector: ({ path }) => path, maxLength: 12 },
);
const places = fc.array(fc.nat(), { maxLength: 20 });

test("whatever Nix says of paths, and however it arrives, is read as it is", async () => {
  await fc.assert(
    fc.asyncProperty(registered, fc.array(paths), places, async (list, others, at) => {
      const asked = [...list.map(({ path }) => path), ...others];
      const known = await read(whatIsKnown(asked), cut(infos(list), at));
      expect([...known]).toEqual(
        list.map(({ path, digest, narSize }) => [
          path,
          { narHash: `sha256-${Buffer.from(digest).toString("base64")}`, narSize },
        ]),
      );
      const valid = list.map(({ path }) => path);
      expect([...(await read(whichAreValid(asked), cut(texts(valid), at)))]).toEqual(valid);
    }),
    { numRuns: 200 },
  );
});

test("an answer that is cut short, or changed in its first word, is none", async () => {
  await fc.assert(
    fc.asyncProperty(registered, fc.nat(), async (list, at) => {
      const asked = whatIsKnown(list.map(({ path }) => path));
      const whole = infos(list);
      const short = whole.subarray(0, at % whole.length);
      await expect(read(asked, [short])).rejects.toThrow("no more came");
    }),
    { numRuns: 100 },
  );
});

const PATH = `/nix/store/${"0".repeat(32)}-a`;
const one = { path: PATH, digest: new Uint8Array(32), narSize: 1, references: [], signatures: [] };
const endless = Array.from({ length: 40 }, () => text("x".repeat(60_000)));

test.each<[string, Question<unknown>, Uint8Array, string]>([
  ["another program", GREETING, Buffer.concat([number(1), number(519)]), "does not speak"],
  ["another protocol", GREETING, greeting(3, 0), "version 3.0"],
  ["a version before hashes", GREETING, greeting(2, 3), "version 2.3"],
  ["a path nobody asked for", whichAreValid([]), texts([PATH]), "at most 0"],
  ["another path", whichAreValid([PATH]), texts(["/nix/store/b"]), "was not asked"],
  ["one path twice", whatIsKnown([PATH]), infos([one, one]), "was not asked"],
  ["a long text", whatIsKnown([PATH]), number(65_537), "at most 65536"],
  ["a size without end", whatIsKnown([PATH]), Buffer.alloc(8, 255), "at most 65536"],
  [
    "bad padding",
    whatIsKnown([PATH]),
    Buffer.concat([number(1), Buffer.from("aaaaaaaa")]),
    "padded",
  ],
  ["no UTF-8", whatIsKnown([PATH]), Buffer.concat([number(8), Buffer.alloc(8, 255)]), "not valid"],
  [
    "too much",
    whatIsKnown([PATH]),
    Buffer.concat([text(PATH), text(""), number(40), ...endless]),
    "more than",
  ],
])("is refused: %s", async (_, question, said, why) => {
  await expect(read(question, [said])).rejects.toThrow(why);
});

test.each([
  "",
  "sha256:",
  `sha1:${"0".repeat(32)}`,
  `sha256:${"e".repeat(52)}`,
  `sha256:z${"0".repeat(51)}`,
])("is no hash: %j", (hash) => {
  expect(() => sri(hash)).toThrow("is no SHA-256");
});

test("the requests are those that Nix reads", () => {
  expect(Buffer.from(GREETING.request).toString("hex")).toBe("eb9d0c39000000000402000000000000");
  expect(Buffer.from(whichAreValid(["/a"]).request).toString("hex")).toBe(
    ["01", "00", "00", "01", "02"].map((byte) => byte.padEnd(16, "0")).join("") +
      "2f61000000000000",
  );
});
