import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ManifestHead } from "../../../src/protocol/machine.ts";
import { checkManifest } from "../../../src/runner/deploy/manifest.ts";
import { BUILDER, PATHS, SHA, SPEAKER, signedManifest, store } from "./support.ts";

const OF = { ...SPEAKER, sha: SHA, machine: "web" };
const next = generateKeyPairSync("ed25519").privateKey;
const builders = [BUILDER.head.builder];
const check = (head: ManifestHead, text: string, of = OF, listed = builders) => {
  const checked = checkManifest(head, text, of, listed);
  return checked.kind === "checked" ? null : checked.why;
};
/** A text that its builder did sign, whatever it says. */
const signed = (text: string): ManifestHead => ({
  ...BUILDER.head,
  digest: createHash("sha256").update(text).digest("hex"),
  signature: sign(null, Buffer.from(text), BUILDER.key).toString("base64"),
});

describe("the manifest of a closure", () => {
  it("is believed when a listed builder signed it for this machine", () => {
    const checked = checkManifest(BUILDER.head, BUILDER.text, OF, builders);
    expect(checked).toEqual({
      kind: "checked",
      paths: PATHS.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    });
  });

  it("is believed of two builders at once, while one takes the other's place", () => {
    const { head, text } = signedManifest(next);
    expect(check(head, text)).toMatch(/builder is not listed/u);
    expect(check(head, text, OF, [...builders, head.builder])).toBeNull();
    expect(check(BUILDER.head, BUILDER.text, OF, [...builders, head.builder])).toBeNull();
  });

  const { head, text } = BUILDER;
  const other = text.replace("system ", "systfm ");
  const twice = `${text}${text.split("\n").at(-2)}\n`;
  const refused: [string, ManifestHead, string, RegExp, typeof OF?][] = [
    ["one byte of the text is another", head, other, /not the one that was named/u],
    [
      "text and digest are another's, the signature is not",
      { ...head, digest: createHash("sha256").update(other).digest("hex") },
      other,
      /did not sign/u,
    ],
    [
      "another key signed it in the builder's name",
      { ...signedManifest(next).head, builder: head.builder },
      text,
      /did not sign/u,
    ],
    ["it is for another repository", head, text, /another repository/u, { ...OF, repository: 8 }],
    [
      "it is for another host",
      head,
      text,
      /another repository/u,
      { ...OF, host: "ghe.example.org" },
    ],
    [
      "it is for another commit",
      head,
      text,
      /another repository, commit/u,
      { ...OF, sha: "b".repeat(40) },
    ],
    ["it is for another machine", head, text, /machine or system/u, { ...OF, machine: "db" }],
    ["it is for another system", { ...head, system: store("other") }, text, /machine or system/u],
    [
      "its system is not in its closure",
      (() => ({ ...signedManifest(BUILDER.key, OF, PATHS.slice(1)).head }))(),
      signedManifest(BUILDER.key, OF, PATHS.slice(1)).text,
      /not among its paths/u,
    ],
    ["it names fewer paths than there are", { ...head, paths: 2 }, text, /not as many/u],
    ["it names another size", { ...head, narBytes: 1 }, text, /size is not/u],
    [
      "a path is there twice",
      { ...signed(twice), paths: 4, narBytes: head.narBytes + PATHS[0]!.narSize },
      twice,
      /not as many|another repository/u,
    ],
    [
      "a line is no path",
      signed(text.replace(/\n$/u, "\n/etc/shadow x 1\n")),
      text.replace(/\n$/u, "\n/etc/shadow x 1\n"),
      /another repository/u,
    ],
    ["there is more behind it", signed(`${text}more`), `${text}more`, /another repository/u],
  ];
  it.each(refused)("is refused when %s", (_, named, body, why, of) => {
    expect(check(named, body, of)).toMatch(why);
  });
});
