import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import type { Selection } from "../../../src/protocol/specification.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import type { Evaluation } from "../../../src/runner/nix/evaluate/index.ts";
import { evaluate } from "../../../src/runner/nix/evaluate/index.ts";
import type { LaunchRequest, Workspace } from "../../../src/runner/nix/launch.ts";
import { readFacts } from "../../../src/runner/nix/version.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { run } from "../../../src/runner/process/index.ts";
import { sourceAccess } from "../../../src/runner/source/access.ts";
import type { InputAccess } from "../../../src/runner/source/inputs/access.ts";
import { fetchStep } from "../../../src/runner/source/inputs/step.ts";
import { NO_CREDENTIALS, type OperatorCredentials } from "../../../src/runner/source/operator.ts";
import type { Fixture } from "../../github/fixture.ts";
import { startFixture } from "../../github/fixture.ts";
import { environmentWith, type NixInstall } from "../../support/nix-versions.ts";
import { isolationForTest } from "../isolation/support.ts";
import { type GitServer, gitServer } from "./git-server.ts";

type Files = Readonly<Record<string, string>>;

export interface Job {
  readonly end: Evaluation;
  readonly attributes: Map<string, Attribute["result"]>;
  /** Everything that was started, in order. */
  readonly launches: readonly LaunchRequest[];
  /** Tokens for private inputs that were asked for. */
  readonly asked: number;
  readonly seconds: number;
  /** Each file that the job's programs can still see and that holds the token. */
  readonly leaks: string;
}

/** The double with an App on the account `octo`, and jobs that evaluate flakes whose inputs lie there. */
export interface InputsStage {
  readonly on: Fixture;
  /** Of the Nix in use, as it prints it. */
  readonly number: string;
  /** A git host of its own behind a password, as `x-access-token`. */
  readonly elsewhere: GitServer;
  readonly password: string;
  /** A private repository of the account. @returns its address for a flake's input. */
  repository(name: string, files: Files): Promise<string>;
  /** The lock file that Nix itself makes, elsewhere, with the rights to all of the account. */
  lock(files: Files): Promise<string>;
  /** `listed`: names of the private inputs; null is an untrusted job. */
  job(
    files: Files,
    options?: {
      readonly listed?: readonly string[] | null;
      readonly operator?: OperatorCredentials;
      readonly selection?: Selection;
    },
  ): Promise<Job>;
  close(): Promise<void>;
}

const FLAKE: Selection = { kind: "flake", directory: ".", attributes: ["packages"], systems: null };

/** @param further what jobs may reach beside the stage's own hosts, as the egress list has it. */
export async function inputsStage(
  uidBase: number,
  nix?: NixInstall,
  further: readonly string[] = [],
): Promise<InputsStage> {
  const on = await startFixture();
  const password = `pass${randomBytes(12).toString("hex")}`;
  const elsewhere = await gitServer(password);
  const egress = [new URL(on.github.url).host, `127.0.0.1:${elsewhere.port}`, ...further];
  const own = await isolationForTest({ uidBase, egress, jobUsers: 12, buildUsers: 4 }, nix);
  const { isolation } = own;
  const facts = await inJob(isolation, async (workspace) => await readFacts(workspace));
  const signal = new AbortController().signal;
  const names: string[] = [];
  const minted = async (repositories: readonly string[]): Promise<string> => {
    const { data } = await on.asApp.apps.createInstallationAccessToken({
      installation_id: on.installation.id,
      repositories: [...repositories],
      permissions: { contents: "read" },
    });
    return data.token;
  };
  const accessFor = (
    listed: readonly string[] | null,
    operator: OperatorCredentials,
    told: (token: string | null) => void,
  ): InputAccess => {
    const cloneUrl = on.github.cloneUrl(on.repo);
    const others = async () => {
      const token = listed === null || listed.length === 0 ? null : await minted(listed);
      told(token);
      const repositories = (listed ?? []).map((name) => `octo/${name}`);
      return { token, expiresAt: 0, repositories, refused: [] };
    };
    const access = sourceAccess(cloneUrl, { source: async () => null, others });
    return { access, cloneUrl, operator };
  };
  return {
    on,
    elsewhere,
    password,
    number: facts.version.number,
    async repository(name, files) {
      names.push(name);
      const repo = await on.github.createRepository({
        owner: on.owner,
        name,
        private: true,
        files,
      });
      return `git+${on.github.cloneUrl(repo)}?ref=main`;
    },
    async lock(files) {
      const root = await mkdtemp(join(tmpdir(), "snowcat-lock-"));
      try {
        const access = accessFor(names, NO_CREDENTIALS, () => {});
        const step = await fetchStep({ secrets: root }, access, true);
        const conf =
          "experimental-features = nix-command flakes\nflake-registry = /dev/null\nsubstituters =\nbuild-users-group =\n";
        const written = [
          ...step.files,
          {
            name: "conf/nix.conf",
            content: conf,
          },
        ];
        for (const [name, content] of Object.entries(files))
          written.push({
            name: `tree/${name}`,
            content,
          });
        for (const { name, content } of written) {
          await mkdir(dirname(join(root, name)), { recursive: true });
          await writeFile(join(root, name), content, { mode: 384 });
        }
        const result = await run(
          ["nix", "--store", join(root, "store"), "flake", "lock", `path:${join(root, "tree")}`],
          {
            cwd: root,
            env: {
              ...environmentWith(),
              ...step.env,
              HOME: root,
              NIX_CONF_DIR: join(root, "conf"),
            },
          },
        );
        if (result.exitCode !== 0) throw new Error(new TextDecoder().decode(result.stderr));
        return await readFile(join(root, "tree/flake.lock"), "utf8");
      } finally {
        await run(["chmod", "-R", "u+w", root], {
          cwd: "/",
          env: environmentWith(),
        });
        await rm(root, { recursive: true });
      }
    },
    job: (files, { listed = [], operator = NO_CREDENTIALS, selection = FLAKE } = {}) =>
      inJob(isolation, async (plain) => {
        const launches: LaunchRequest[] = [];
        const workspace: Workspace = {
          ...plain,
          launch: (request) => (launches.push(request), plain.launch(request)),
        };
        await write(plain, files);
        const tokens: (string | null)[] = [];
        const attributes = new Map<string, Attribute["result"]>();
        const began = performance.now();
        const end = await evaluate({
          workspace,
          version: facts.version,
          revision: null,
          selection,
          index: 0,
          signal,
          tree: `${plain.directory}/source`,
          seconds: 60,
          memoryBytes: 2 ** 31,
          imports: null,
          inputs: accessFor(listed, operator, (token) => tokens.push(token)),
          now: () => performance.now(),
          onAttribute: ({ path, result }) => void attributes.set(path.join("."), result),
        });
        const seconds = (performance.now() - began) / 1e3;
        const secret = tokens.find((token) => token !== null) ?? "no token was asked for";
        const { stdout } = await plain.launch({
          argv: ["grep", "-rlF", "--", secret, plain.directory, "/run", "/home", "/tmp"],
          network: "none",
        });
        const leaks = new TextDecoder().decode(stdout);
        return {
          end,
          attributes,
          launches,
          asked: tokens.length,
          seconds,
          leaks,
        };
      }),
    async close() {
      await own.close();
      await elsewhere.close();
      await on.close();
    },
  };

  async function inJob<T>(
    where: Isolation,
    work: (workspace: Workspace) => Promise<T>,
  ): Promise<T> {
    const job = await where.openJob("inputs");
    try {
      return await work(workspaceOf(job));
    } finally {
      await job.dispose();
    }
  }
}

async function write(workspace: Workspace, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const result = await workspace.launch({
      argv: [
        "sh",
        "-c",
        'mkdir -p -- "$(dirname -- "$1")" && cat > "$1"',
        "sh",
        `${workspace.directory}/source/${name}`,
      ],
      input: content,
      network: "none",
    });
    if (result.exitCode !== 0) throw new Error(new TextDecoder().decode(result.stderr));
  }
}
