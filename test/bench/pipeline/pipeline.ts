import { parseArgs } from "node:util";
import { isolationForTest } from "../../runner/isolation/support.ts";
import { nixInstalls } from "../../support/nix-versions.ts";
import { startStack, type Stack } from "../../support/stack.ts";
import {
  atOnce,
  batches,
  flakeCheck,
  nixBuild,
  readOnly,
  timedWay,
  type Way,
} from "../shared/floor.ts";
import { manyTree } from "../shared/many.ts";
import { median, progress, publish, rounded } from "../shared/output.ts";
import { quiet } from "../shared/processes.ts";
import { expectConclusion, timedRun } from "../shared/runs.ts";

type Isolated = Awaited<ReturnType<typeof isolationForTest>>["isolation"];

/** Seconds, medians of the rounds. */
interface Row {
  readonly nix: string;
  readonly attributes: number;
  /** Null where it was not measured: at 10,000 it takes 24 GB. */
  readonly flake_check_s: number | null;
  readonly floor_s: number;
  readonly floor_how: string;
  readonly snowcat_s: number;
  readonly vs_flake_check: number | null;
  readonly vs_floor: number;
  readonly unchanged_s: number;
  readonly unchanged_at_400ms_s: number;
  readonly known_tree_s: number;
}

/** Up to so many attributes the ways that take everything at once are tried as well. */
const FEW = 500;
const DISTANCE = 400;

/**
 * From the push at the double until every check is completed, on a real Worker and a real runner; beside the best of
 * several plain ways of Nix's own, in the same kind of isolation and store, by turns.
 *
 * - cold: every derivation is new.
 * - unchanged: the tree is new, no derivation is: it is fetched and evaluated.
 * - known tree: an empty commit; nothing is evaluated.
 */
export async function pipeline(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      attributes: { type: "string", default: "500,10000" },
      /** Of cold runs and floors; three of 500, one of more, unless given. */
      rounds: { type: "string" },
      /** Rounds of what changes nothing. */
      unchanged: { type: "string", default: "3" },
      /** Beginnings of version numbers, such as 2.8; every Nix that is here unless given. */
      nix: { type: "string", default: "" },
    },
  });
  const rows: Row[] = [];
  const wanted = values.nix.split(",");
  for (const nix of await nixInstalls()) {
    if (!wanted.some((version) => nix.number.startsWith(version))) continue;
    for (const attributes of values.attributes.split(",").map(Number)) {
      // New stores for each: what is in them is the same for everybody.
      const own = await isolationForTest({ uidBase: 58_000, jobUsers: 4 }, nix);
      try {
        const stack = await startStack({ nix });
        try {
          const rounds = Number(values.rounds ?? (attributes <= FEW ? 3 : 1));
          const place = { nix: nix.number, isolation: own.isolation, stack };
          const row = await measure(place, attributes, rounds, Number(values.unchanged));
          progress(JSON.stringify(row));
          rows.push(row);
        } finally {
          await stack.stop();
        }
      } finally {
        await own.close();
      }
    }
  }
  if (rows.length === 0) throw new Error(`no Nix ${values.nix} is here`);
  await publish(rows, values.json);
}

interface Measured {
  readonly nix: string;
  readonly isolation: Isolated;
  readonly stack: Stack;
}

async function measure(
  { nix, isolation, stack }: Measured,
  attributes: number,
  rounds: number,
  unchangedRounds: number,
): Promise<Row> {
  const { github, accounts } = stack;
  const few = attributes <= FEW;
  const ways: Way[] = [
    batches(1, 2),
    batches(2, 1),
    readOnly,
    ...(few ? [atOnce, nixBuild, flakeCheck] : []),
  ];
  const floors = new Map<Way, number[]>(ways.map((way) => [way, []]));
  const cold: number[] = [];
  const repository = await github.createRepository({
    owner: accounts.owner,
    name: `many-${attributes}`,
    files: await manyTree(attributes, "first"),
  });
  await github.settled();
  const timed = async (what: string, files: Record<string, string>): Promise<number> => {
    await quiet();
    const run = await timedRun(stack, repository, files, what);
    expectConclusion(run, "success");
    progress(`nix ${nix}, ${attributes} attributes, ${what}: ${run.seconds} s`);
    return run.seconds;
  };
  for (let round = 0; round < rounds; round += 1) {
    cold.push(await timed("cold", await manyTree(attributes, fresh(`cold-${round}`))));
    for (const [index, way] of ways.entries()) {
      await quiet();
      const files = await manyTree(attributes, fresh(`floor-${round}-${index}`));
      const seconds = await timedWay(isolation, way, files);
      progress(`nix ${nix}, ${attributes} attributes, ${way.name}: ${rounded(seconds)} s`);
      floors.get(way)?.push(seconds);
    }
  }
  const unchanged: number[] = [];
  const distant: number[] = [];
  const known: number[] = [];
  for (let round = 0; round < unchangedRounds; round += 1) {
    unchanged.push(await timed("unchanged", { "README.md": fresh(`${round}`) }));
    github.setLatency(DISTANCE);
    distant.push(
      await timed(`unchanged at ${DISTANCE} ms a call`, { "README.md": fresh(`distant-${round}`) }),
    );
    github.setLatency(0);
    known.push(await timed("known tree", {}));
  }
  const flake = floors.get(flakeCheck);
  const [how, floor] = best(floors, flakeCheck);
  const flakeSeconds = flake === undefined ? null : median(flake);
  const snowcat = median(cold);
  return {
    nix,
    attributes,
    flake_check_s: flakeSeconds === null ? null : rounded(flakeSeconds),
    floor_s: rounded(floor),
    floor_how: how,
    snowcat_s: rounded(snowcat),
    vs_flake_check: flakeSeconds === null ? null : rounded(snowcat / flakeSeconds),
    vs_floor: rounded(snowcat / floor),
    unchanged_s: rounded(median(unchanged)),
    unchanged_at_400ms_s: rounded(median(distant)),
    known_tree_s: rounded(median(known)),
  };
}

/** The quickest plain way, by its median. */
function best(floors: ReadonlyMap<Way, number[]>, except: Way): [string, number] {
  const medians = [...floors]
    .filter(([way]) => way !== except)
    .map(([way, seconds]): [string, number] => [way.name, median(seconds)])
    .toSorted((a, b) => a[1] - b[1]);
  const [first] = medians;
  if (first === undefined) throw new Error("no plain way was measured");
  return first;
}

function fresh(what: string): string {
  return `${what}-${Date.now()}`;
}
