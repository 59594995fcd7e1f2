import fc from "fast-check";
import { expect, test } from "vitest";
import { type Attested, type BuiltOutput, provenanceText } from "../../src/protocol/provenance.ts";

const drv = `/nix/store/${"0".repeat(32)}-a-1.0.drv`;
const attested: Attested = {
  host: "github.com",
  repository: 42,
  sha: "1".repeat(40),
  path: ["packages", "x86_64-linux", 'a"\n'],
  drv,
};
const outputs: BuiltOutput[] = [
  {
    name: "out",
    path: `/nix/store/${"1".repeat(32)}-a-1.0`,
    narHash: `sha256-${"A".repeat(43)}=`,
    narSize: 120,
  },
  {
    name: "doc",
    path: `/nix/store/${"2".repeat(32)}-a-1.0-doc`,
    narHash: `sha256-${"B".repeat(43)}=`,
    narSize: 0,
  },
];

test("the text that is signed is frozen: signatures of today are checked years from now", () => {
  expect(provenanceText(attested, outputs)).toBe(
    'snowcat-provenance-1\n["github.com",42,"1111111111111111111111111111111111111111",' +
      '["packages","x86_64-linux","a\\"\\n"],"/nix/store/00000000000000000000000000000000-a-1.0.drv",' +
      '[["doc","/nix/store/22222222222222222222222222222222-a-1.0-doc","sha256-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",0],' +
      '["out","/nix/store/11111111111111111111111111111111-a-1.0","sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",120]]]',
  );
});

test("the order of outputs says nothing; everything else does", () => {
  expect(provenanceText(attested, outputs.toReversed())).toBe(provenanceText(attested, outputs));
  const statement = fc.record({
    host: fc.string(),
    repository: fc.nat(),
    sha: fc.string(),
    path: fc.array(fc.string(), { minLength: 1 }),
    drv: fc.string(),
  });
  fc.assert(
    fc.property(statement, statement, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      expect(provenanceText(one, outputs) === provenanceText(other, outputs)).toBe(same);
    }),
  );
});
