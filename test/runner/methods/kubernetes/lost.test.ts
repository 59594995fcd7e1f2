import { expect, test } from "vitest";
import { closeLostCluster } from "../../../../src/runner/deploy/methods/kubernetes/lost.ts";
import { store } from "../../deploy/support.ts";
import { bench, configmap, RECORD_PATH } from "./bench.ts";

const WEB = [configmap("web")];

/** The state in which a runner was killed, in the middle of its deploy 2. */
async function killed(changes: Record<string, unknown>) {
  const at = await bench();
  await at.deploy("one", 1, WEB);
  const stored = at.cluster.objects.get(RECORD_PATH);
  if (stored === undefined) throw new Error("there is no record");
  const record = JSON.parse(stored.data?.["record"] ?? "") as Record<string, unknown>;
  at.cluster.objects.set(RECORD_PATH, {
    ...stored,
    data: { record: JSON.stringify({ ...record, ...changes }) },
  });
  const outcome = await closeLostCluster(at.parts(2));
  return {
    outcome,
    text: at.cluster.objects.get(RECORD_PATH)?.data?.["record"] ?? "",
    changes: at.cluster.changes,
  };
}

test.each([
  [
    "before it began",
    {},
    { kind: "failed-untouched", running: store("one") },
    /"counter":1.*"state":"ended"/u,
  ],
  [
    "before it applied anything",
    { counter: 2, state: "begun" },
    { kind: "failed-untouched", running: store("one") },
    /"state":"ended".*"system":"\/nix/u,
  ],
  [
    "while it applied",
    { counter: 2, state: "applying" },
    { kind: "unknown", running: null },
    /"state":"ended".*"system":null/u,
  ],
  [
    "while it took it back",
    { counter: 2, state: "reverting" },
    { kind: "unknown", running: null },
    /"system":null/u,
  ],
  [
    "after it was overtaken",
    { counter: 3, state: "applying" },
    { kind: "unknown" },
    /"state":"applying"/u,
  ],
] as const)(
  "a runner that was killed %s begins nothing again",
  async (_when, changes, wanted, text) => {
    const end = await killed(changes);
    expect(end.outcome).toMatchObject(wanted);
    expect(end.text).toMatch(text);
    expect(end.changes.filter((change) => change.startsWith("PATCH"))).toHaveLength(2);
  },
);

test("one that was killed after its commit has succeeded", async () => {
  const history = [
    { number: 2, system: store("two"), at: 5 },
    { number: 1, system: store("one"), at: 1 },
  ];
  const committed = { counter: 2, state: "ended", since: 5, system: store("two"), history };
  const { outcome } = await killed(committed);
  expect(outcome).toMatchObject({ kind: "active", system: store("two"), generation: 2 });
});
