import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { InputsStage, Job } from "./inputs-stage.ts";

/** What is told of a flake's inputs, each on a stage that it may share with the others. */
export interface InputsScenario {
  readonly name: string;
  /** Heavy ones are tried on every Nix, by `npm run test:slow` alone. */
  readonly heavy: boolean;
  readonly play: (stage: InputsStage, hidden: Hidden) => Promise<void>;
}

/** A flake with one private input, locked. */
export interface Hidden {
  readonly address: string;
  readonly files: Readonly<Record<string, string>>;
}

export async function hiddenInput(stage: InputsStage): Promise<Hidden> {
  const address = await stage.repository("hidden", {
    "flake.nix": '{ outputs = _: { word = "from-hidden"; }; }\n',
  });
  const files = uses(`hidden.url = "${address}";`, "inputs.hidden.word");
  return { address, files: { ...files, "flake.lock": await stage.lock(files) } };
}

/** One attribute, named after what the inputs say. */
const uses = (inputs: string, name: string): { "flake.nix": string } => ({
  "flake.nix": `{
  inputs = { ${inputs} };
  outputs = { self, ... } @ inputs: {
    packages.x86_64-linux.a = derivation {
      name = ${name}; system = "x86_64-linux"; builder = "/bin/sh";
    };
  };
}
`,
});

/** The derivation's, or why there is none. */
const nameOf = ({ attributes, end }: Job): string => {
  const result = attributes.get("packages.x86_64-linux.a");
  return result?.kind === "derivation" ? result.derivation.name : JSON.stringify(result ?? end);
};

/** The derivation's name, or what is told in its place. */
export function describeJob(job: Job): string {
  return job.end.kind === "error" ? job.end.message : nameOf(job);
}

/** Why nothing could be evaluated, or why the one attribute could not. */
const error = ({ end, attributes }: Job): { message: string; place: string | null } => {
  const result = end.kind === "error" ? end : attributes.get("packages.x86_64-linux.a");
  if (result?.kind !== "error") throw new Error(JSON.stringify([end, result]));
  const { message, position } = result;
  return { message, place: position && `${position.file}:${position.line}` };
};

export const SCENARIOS: readonly InputsScenario[] = [
  {
    name: "what is listed is fetched by a token that only the fetch step has; an unchanged lock costs no network",
    heavy: false,
    play: async (stage, { files }) => {
      const first = await stage.job(files, { listed: ["hidden"] });
      expect(first.end).toMatchObject({ kind: "evaluated", warnings: [] });
      expect(nameOf(first)).toBe("from-hidden");
      expect(first.asked).toBe(1);
      expect(first.leaks).toBe("");
      const fetching = first.launches.filter(({ network }) => network === "proxy");
      expect(fetching.map(({ argv }) => argv.slice(0, 2))).toEqual([["nix", "eval"]]);
      expect(fetching[0]?.argv.join(" ")).toContain("builtins.fetchTree");
      for (const launch of first.launches) {
        const { argv, env, cwd, input, files: secrets } = launch;
        expect(JSON.stringify([argv, env, cwd, input])).not.toMatch(/ghs_|Basic |Bearer /u);
        expect(secrets === undefined).toBe(launch !== fetching[0]);
      }
      const again = await stage.job(files, { listed: ["hidden"] });
      expect(nameOf(again)).toBe("from-hidden");
      expect(again.asked).toBe(0);
      expect(again.launches.filter(({ network }) => network === "proxy")).toEqual([]);
    },
  },
  {
    name: "what is not listed, and what an untrusted change asks for: an error at the lock's line, with what to do",
    heavy: true,
    play: async (stage) => {
      const other = await stage.repository("other", {
        "flake.nix": '{ outputs = _: { word = "w"; }; }\n',
      });
      const wants = uses(`other.url = "${other}";`, "inputs.other.word");
      const lock = await stage.lock(wants);
      const line = lock.split("\n").findIndex((one) => one.includes('"locked"')) + 1;
      for (const listed of [["hidden"], [], null]) {
        const { message, place } = error(
          await stage.job({ ...wants, "flake.lock": lock }, { listed }),
        );
        expect(message).toMatch(/^input "other" \(git .*cannot be fetched/u);
        expect(message).toMatch(
          /list octo\/other under inputs\.private in \.github\/snowcat\.yml/u,
        );
        expect(place).toBe(`flake.lock:${line}`);
      }
    },
  },
  {
    name: "a host that asks to wait, or is away, is infrastructure by name",
    heavy: true,
    play: async (stage) => {
      const busy = await stage.repository("busy", { "flake.nix": "{ outputs = _: { }; }\n" });
      const wants = uses(`busy.url = "${busy}";`, '"x${inputs.busy.outPath}"');
      const lock = await stage.lock(wants);
      const { host } = new URL(stage.on.github.url);
      for (const [kind, how] of [
        ["429", "asks to wait"],
        ["503", "cannot be reached"],
      ] as const) {
        const fault = stage.on.github.fault({
          match: { path: /^\/git\/octo\/busy/u },
          kind,
          times: 1e3,
        });
        const { end } = await stage.job({ ...wants, "flake.lock": lock }, { listed: ["busy"] });
        fault.clear();
        expect(end).toMatchObject({
          kind: "infrastructure",
          message: expect.stringContaining(`${host} ${how}`),
        });
      }
    },
  },
  {
    name: "without a lock file inputs are resolved for this evaluation, by the same step",
    heavy: true,
    play: async (stage, { files }) => {
      const { "flake.lock": _, ...unlocked } = files;
      const job = await stage.job(unlocked, { listed: ["hidden"] });
      expect(nameOf(job)).toBe("from-hidden");
      expect(job.leaks).toBe("");
      const outside = await stage.job(unlocked, { listed: [] });
      expect(error(outside).message).toMatch(/list octo\/hidden under inputs\.private/u);
    },
  },
  {
    name: "local inputs, locked or not, and names without a registry: refused at their line, at once",
    heavy: false,
    play: async (stage) => {
      const node = (locked: object) =>
        JSON.stringify(
          {
            nodes: { root: { inputs: { x: "x" } }, x: { locked, original: locked } },
            root: "root",
            version: 7,
          },
          null,
          2,
        );
      const etc = {
        type: "path",
        path: "/etc",
        narHash: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        lastModified: 1,
      };
      const local = { type: "git", url: "file:///root/x", rev: "1".repeat(40) };
      for (const [flake, lock, message, place] of [
        ['x.url = "path:/etc";', node(etc), /"x" is the local path "\/etc"/u, "flake.lock:9"],
        [
          'x.url = "git+file:///root/x";',
          node(local),
          /the local address "file:\/\/\/root\/x"/u,
          "flake.lock:9",
        ],
        [
          'x.url = "path:/usr/share/doc/bubblewrap"; x.flake = false;',
          null,
          /"x" is the local path/u,
          "flake.nix:2",
        ],
        [
          'nixpkgs.url = "nixpkgs";',
          null,
          /"nixpkgs" has no address: runners have no flake registry/u,
          "flake.nix:2",
        ],
        ['x.url = "path:/etc";', "{", /flake\.lock: is not JSON/u, "flake.lock:1"],
      ] as const) {
        const job = await stage.job({
          ...uses(flake, '"a"'),
          ...(lock === null ? {} : { "flake.lock": lock }),
        });
        expect(error(job)).toMatchObject({ message: expect.stringMatching(message), place });
        expect(job.asked).toBe(0);
      }
    },
  },
  {
    name: "a flake that reads the place of the secrets finds none, with the operator's credentials about",
    heavy: false,
    play: async (stage, { files }) => {
      const canary = "operators-password-4711";
      const spy = `let
      read = path: if builtins.pathExists path then (builtins.tryEval (builtins.deepSeq (builtins.readFile path) (builtins.readFile path))).value else "none";
      found = map read [ /run/secrets/netrc /run/secrets/nix.conf /run/secrets/gitconfig /run/secrets/ssh_key_0 ];
      variables = map builtins.getEnv [ "NIX_USER_CONF_FILES" "GIT_CONFIG_GLOBAL" "GIT_SSH_COMMAND" "NIX_CONFIG" ];
    in derivation { name = builtins.hashString "sha256" (builtins.toJSON [ found variables ]); system = "x86_64-linux"; builder = "/bin/sh"; }`;
      const job = await stage.job(
        {
          ...files,
          "default.nix": `{ a = ${spy}; b = throw (builtins.toJSON (builtins.attrNames (builtins.readDir /run/secrets))); }`,
        },
        {
          listed: ["hidden"],
          operator: {
            netrc: `machine 127.0.0.1 login me password ${canary}`,
            ssh: [{ host: "h", key: canary, knownHosts: "" }],
          },
          selection: { kind: "file", file: "default.nix", attributes: ["a", "b"], args: {} },
        },
      );
      const nothing = JSON.stringify([
        ["none", "none", "none", "none"],
        ["", "", "", ""],
      ]);
      expect(job.attributes.get("a")).toMatchObject({
        derivation: { name: createHash("sha256").update(nothing).digest("hex") },
      });
      expect(job.attributes.get("b")).toMatchObject({
        kind: "error",
        message: expect.stringContaining("[]"),
      });
    },
  },
  {
    name: "lock files of newer and older versions: what this Nix can read is used, the rest is told at its line",
    heavy: true,
    play: async (stage, { files }) => {
      const lock = JSON.parse(files["flake.lock"] ?? "") as Lock;
      const variants: Readonly<Record<string, (locked: Locked) => void>> = {
        final: (locked) => (locked["__final"] = true),
        "long ref": (locked) => (locked["ref"] = "refs/heads/main"),
        "no lastModified": (locked) => delete locked["lastModified"],
        "no revCount": (locked) => delete locked["revCount"],
        "no narHash": (locked) => delete locked["narHash"],
        "an attribute of tomorrow": (locked) => (locked["tomorrow"] = "x"),
      };
      const told: Record<string, string> = {};
      for (const [name, change] of Object.entries(variants)) {
        const { nodes, ...rest } = structuredClone(lock);
        change(nodes["hidden"]!.locked!);
        const text = JSON.stringify({ nodes, ...rest }, null, 2);
        const job = await stage.job({ ...files, "flake.lock": text }, { listed: ["hidden"] });
        expect(job.leaks).toBe("");
        expect(job.seconds).toBeLessThan(30);
        told[name] = job.end.kind === "error" ? JSON.stringify(error(job)) : nameOf(job);
      }
      const fine = ["long ref", "no lastModified", "no revCount", "no narHash"];
      for (const name of fine) expect([name, told[name]]).toEqual([name, "from-hidden"]);
      const place = `"place":"flake.lock:12"`;
      expect(told["final"]).toMatch(/is locked with \\"__final\\", which is Nix's own mark/u);
      expect(told["final"]).toContain(`"place":"flake.lock:4"`);
      expect(told["an attribute of tomorrow"]).toMatch(/was written by a newer one/u);
      expect(told["an attribute of tomorrow"]).toContain(place);
    },
  },
  {
    name: "a host of the operator's netrc: its password opens it for the fetch step, and nobody else sees it",
    heavy: true,
    play: async (stage) => {
      const { elsewhere: server, password } = stage;
      const { sha } = await server.commit("elsewhere", {
        "flake.nix": '{ outputs = _: { word = "from-elsewhere"; }; }\n',
      });
      const address = `git+${server.url("elsewhere")}?ref=main&rev=${sha}`;
      const wants = uses(`elsewhere.url = "${address}";`, "inputs.elsewhere.word");
      const operator = {
        netrc: `machine 127.0.0.1 login x-access-token password ${password}\n`,
        ssh: [],
      };
      const opened = await stage.job(wants, { operator });
      expect(nameOf(opened)).toBe("from-elsewhere");
      for (const { argv, env, input } of opened.launches)
        expect(JSON.stringify([argv, env, input])).not.toContain(password);
      // Another tree, so that nothing of it is in the store: without the netrc it stays closed.
      const { sha: next } = await server.next("elsewhere", { more: "1\n" });
      const later = uses(
        `elsewhere.url = "${address.replace(sha, next)}";`,
        "inputs.elsewhere.word",
      );
      const closed = error(await stage.job(later));
      expect(closed.message).toMatch(/netrc file or a deploy key for its host/u);
    },
  },
];

type Locked = Record<string, string | number | boolean>;
interface Lock {
  nodes: Record<string, { locked?: Locked }>;
}
