import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type DeployWork, DeployWork as Work, METHODS } from "../../../src/protocol/machine.ts";
import type { ToolWork } from "../../../src/protocol/tool.ts";
import type { MethodPlace } from "../../../src/runner/deploy/methods/method.ts";
import { run } from "../../../src/runner/process/index.ts";

/** How a stand-in answers when all of these words are among its arguments. */
export interface Rule {
  readonly when: readonly string[];
  readonly out?: string;
  readonly err?: string;
  readonly exit?: number;
  /** A command of the shell, run before it answers, in the working directory. */
  readonly does?: string;
}

export interface Call {
  /** The tool's name and its arguments, the place's own folders as `TREE` and `SCRATCH`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Tools on a PATH of their own that write down how they are called; git and coreutils are the real ones. */
export interface Tools {
  readonly tree: string;
  /** The first rule that fits answers; without one it ends with 97. Replaces what stood in for that name before. */
  stand(name: string, rules: readonly Rule[]): Promise<void>;
  put(file: string, content: string): Promise<void>;
  place<Tool extends ToolWork>(
    tool: Tool,
    more?: Partial<Pick<MethodPlace, "ssh" | "system">>,
  ): MethodPlace<Tool>;
  /** Calls of stand-ins so far, in their order. */
  calls(): Promise<Call[]>;
  close(): Promise<void>;
}

export const SYSTEM = `/nix/store/${"a".repeat(32)}-nixos-system-web1`;
export const OTHER = `/nix/store/${"b".repeat(32)}-nixos-system-web1`;
const NAME = "b".repeat(40);

export async function standInTools(): Promise<Tools> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-tools-"));
  const [bin, tree, scratch, record] = ["bin", "tree", "scratch", "calls"].map((name) =>
    join(root, name),
  ) as [string, string, string, string];
  for (const folder of [bin, tree, scratch]) await mkdir(folder);
  await writeFile(record, "");
  const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: scratch };
  const put = async (file: string, content: string): Promise<void> => {
    const path = join(tree, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  };
  return {
    tree,
    put,
    async stand(name, rules) {
      const answers = rules.map((rule, at) => {
        const fits = rule.when.map((word) => `has ${quoted(word)} "$@"`).join(" && ") || "true";
        return [
          `${at === 0 ? "if" : "elif"} ${fits}; then`,
          rule.does ?? ":",
          `printf '%s' ${quoted(rule.out ?? "")}`,
          `printf '%s' ${quoted(rule.err ?? "")} >&2`,
          `exit ${rule.exit ?? 0}`,
        ].join("\n");
      });
      const script = [
        "#!/bin/sh",
        `{ printf 'CALL\\0%s\\0' $#; printf '%s\\0' ${quoted(name)} "$@"; env -0; printf 'END\\0'; } >> ${quoted(record)}`,
        'has() { wanted=$1; shift; for word; do [ "$word" != "$wanted" ] || return 0; done; return 1; }',
        ...answers,
        ...(answers.length > 0 ? ["fi"] : []),
        `echo ${quoted(`${name}: nobody said how to answer this`)} >&2`,
        "exit 97",
      ].join("\n");
      await writeFile(join(bin, name), script);
      await chmod(join(bin, name), 0o755);
    },
    place: (tool, more = {}) => ({
      work: workOf(tool),
      tool,
      system: SYSTEM,
      tree,
      scratch,
      ssh: {
        command: join(bin, "ssh"),
        config: join(scratch, "ssh_config"),
        options: [],
        host: "192.0.2.7",
        user: "root",
        port: 2222,
      },
      async run(argv, options) {
        let log = "";
        const add = (chunk: Uint8Array): void => {
          log += new TextDecoder().decode(chunk);
        };
        const end = await run(argv, {
          cwd: options.cwd ?? tree,
          env: { ...env, ...options.env },
          timeoutMs: options.timeoutSeconds * 1_000,
          onStdout: add,
          onStderr: add,
        });
        const stdout = new TextDecoder().decode(end.stdout);
        const { exitCode, timedOut, startFailure } = end;
        return { exitCode, timedOut, stdout, log: startFailure?.message ?? log };
      },
      ...more,
      ...unasked,
    }),
    calls: async () => parse(await readFile(record, "utf8"), { TREE: tree, SCRATCH: scratch }),
    close: () => rm(root, { recursive: true }),
  };
}

const never = (): never => {
  throw new Error("no method of these asks for that");
};
/** What these methods have no need of. */
const unasked = {
  policy: { program: "sent", user: "root" } as MethodPlace["policy"],
  write: never,
  bring: never,
  machine: { digest: never, check: never, observe: never },
  clock: {} as MethodPlace["clock"],
  mask: () => {},
  say: () => {},
  signal: new AbortController().signal,
};

/** Everything of it is as the protocol has it. */
function workOf(tool: ToolWork): DeployWork {
  const hash = "0".repeat(64);
  const sha = "c".repeat(40);
  return Work.parse({
    kind: "deploy",
    machine: { name: "web1", hostKey: `SHA256:${"A".repeat(43)}` },
    method: tool.kind,
    tool,
    source: {
      cloneUrl: "https://example.org/fleet.git",
      ref: "refs/heads/main",
      sha,
      tree: NAME,
      revision: false,
    },
    counter: 7,
    sha,
    ref: "refs/heads/main",
    action:
      METHODS[tool.kind] === "source"
        ? { kind: "source", tree: NAME }
        : {
            kind: "system",
            system: SYSTEM,
            manifest: {
              digest: hash,
              system: SYSTEM,
              paths: 1,
              narBytes: 1,
              signature: `${"A".repeat(86)}==`,
              builder: "builder",
            },
          },
    expected: null,
    health: [],
    backup: null,
    limits: { connectSeconds: 10, copySeconds: 60, activationSeconds: 30, confirmationSeconds: 30 },
  });
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function parse(recorded: string, folders: Readonly<Record<string, string>>): Call[] {
  const tokens = recorded.split("\0");
  const calls: Call[] = [];
  const named = (word: string): string =>
    Object.entries(folders).reduce((text, [name, path]) => text.replaceAll(path, name), word);
  for (let at = 0; tokens[at] === "CALL";) {
    const end = at + 2 + Number(tokens[at + 1]) + 1;
    const words = tokens.slice(at + 2, end).map(named);
    const env: Record<string, string> = {};
    for (at = end; tokens[at] !== "END"; at++) {
      const [name = "", ...value] = (tokens[at] ?? "").split("=");
      env[name] = value.join("=");
    }
    calls.push({ words, env });
    at += 1;
  }
  return calls;
}
