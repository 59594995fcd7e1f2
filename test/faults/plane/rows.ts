import { randomUUID } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../demo/stage.ts";
import type { FaultRow } from "../deploy/row.ts";
import type { MachineName, PlaneWorld, Proposed } from "./world.ts";

/** What goes wrong around the control plane while machines are changed through it. */
export type PlaneFault = { name: string; play: (world: PlaneWorld) => Promise<FaultRow> };

/** The control plane is away for so long (ms). */
const AWAY = 4_000;

export const planeFaults: readonly PlaneFault[] = [
  {
    name: "head moved between comment and activation",
    play: async (world) => {
      const [project] = world.projects;
      const begun = sentinel();
      // The first machine's activation takes its time, and the branch moves meanwhile.
      const proposed = await world.propose(project, "moving", ["web1", "web2"], {
        page: "What was asked for",
        activation: `touch ${begun.file}-$(hostname); sleep 4`,
      });
      const before = await truthOf(world, "web2");
      try {
        const since = Date.now();
        await proposed.talk.say(`/deploy tag:pair ${proposed.head}`, ["eyes", "+1"]);
        await begun.seen("web1");
        await project.push(proposed.branch, { notes: "Somebody goes on\n" });
        const told = await world.deployed(proposed);
        const [first, second] = [await truthOf(world, "web1"), await truthOf(world, "web2")];
        const untouched = second.running === before.running && second.boots === before.boots;
        return {
          fault: "head moved between comment and activation",
          verdict: `${told.conclusion}: ${told.title}`,
          before: nameOf(before.running),
          after: nameOf(second.running),
          seconds: secondsSince(since),
          working: untouched && first.running === first.boots && !(await begun.is("web2")),
          truthful:
            told.conclusion !== "success" &&
            told.text.includes("is not the pull request's head any more") &&
            first.running !== second.running,
          detail: JSON.stringify({ told, first, second, before }),
        };
      } finally {
        await begun.remove();
      }
    },
  },
  {
    name: "Worker restarted in the middle of a deploy",
    play: async (world) => {
      const [project] = world.projects;
      const begun = sentinel();
      const proposed = await world.propose(project, "restarted", ["web3"], {
        page: "While nobody listened",
        activation: `touch ${begun.file}-$(hostname); sleep 2`,
      });
      const before = await truthOf(world, "web3");
      try {
        const since = Date.now();
        await proposed.talk.say(`/deploy web3 ${proposed.head}`, ["eyes", "+1"]);
        await begun.seen("web3");
        await world.stack.worker.kill();
        // The machine is done before anybody could be told.
        await eventually(
          async () => {
            const { running, boots } = await truthOf(world, "web3");
            return running !== before.running && boots === running;
          },
          "the machine is changed while the control plane is away",
          () => truthOf(world, "web3"),
        );
        await sleep(AWAY);
        await world.stack.worker.restart();
        const told = await world.deployed(proposed);
        const after = await truthOf(world, "web3");
        return {
          fault: "Worker restarted in the middle of a deploy",
          verdict: `${told.conclusion}: ${told.title}`,
          before: nameOf(before.running),
          after: nameOf(after.running),
          seconds: secondsSince(since),
          working: after.running === after.boots && after.running !== before.running,
          truthful: told.conclusion === "success",
          detail: JSON.stringify({ told, after, before }),
        };
      } finally {
        await begun.remove();
      }
    },
  },
  {
    name: "two repositories racing for one machine through the control plane",
    play: async (world) => {
      const machine = "db1";
      const [one, other] = await Promise.all(
        world.projects.map((project) =>
          world.propose(project, "racing", [machine], { page: `By ${project.repository.name}` }),
        ),
      );
      if (one === undefined || other === undefined) throw new Error("there are two repositories");
      const before = await truthOf(world, machine);
      const since = Date.now();
      await Promise.all(
        [one, other].map(({ talk, head }) =>
          talk.say(`/deploy ${machine} ${head}`, ["eyes", "+1"]),
        ),
      );
      const told = await Promise.all([one, other].map((each) => world.deployed(each)));
      const after = await truthOf(world, machine);
      const active = told.filter(({ conclusion }) => conclusion === "success");
      const [kind] = [one, other].filter((_, at) => told[at]?.conclusion === "success");
      return {
        fault: "two repositories racing for one machine through the control plane",
        verdict: told.map(({ conclusion, title }) => `${conclusion}: ${title}`).join("; "),
        before: nameOf(before.running),
        after: nameOf(after.running),
        seconds: secondsSince(since),
        working: after.running === after.boots && after.running !== before.running,
        // Whoever came second planned against what ran before the first: it is told so, and changes nothing.
        truthful: active.length === 1 && (await runs(world, machine, kind)),
        detail: JSON.stringify({ told, after, before }),
      };
    },
  },
];

async function truthOf(world: PlaneWorld, name: MachineName) {
  return await world.machine(name).truth();
}

/** Whether the machine's site is what this repository wanted. */
async function runs(
  world: PlaneWorld,
  name: MachineName,
  proposed: Proposed | undefined,
): Promise<boolean> {
  const { address } = world.machine(name).target;
  const response = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  return proposed !== undefined && text.includes(`By ${proposed.project.repository.name} of`);
}

const secondsSince = (since: number) => Math.round((Date.now() - since) / 100) / 10;
/** The first characters of a system's hash: there are no better names for them here. */
const nameOf = (system: string | null) => system?.slice("/nix/store/".length).slice(0, 8) ?? "none";

/** A file on this host, whose /tmp the machines share, that an activation writes. */
function sentinel() {
  const file = `/tmp/snowcat-sentinel-${randomUUID()}`;
  const names: string[] = [];
  const is = async (machine: MachineName) =>
    await stat(`${file}-${machine}`).then(
      () => true,
      () => false,
    );
  return {
    file,
    is,
    seen: async (machine: MachineName) => {
      names.push(machine);
      await eventually(
        async () => await is(machine),
        `the activation of ${machine} has begun`,
        () => file,
        300_000,
      );
    },
    remove: async () => {
      for (const name of ["web1", "web2", "web3", ...names])
        await rm(`${file}-${name}`, { force: true });
    },
  };
}
