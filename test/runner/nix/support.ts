import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RawIsolationConfiguration } from "../../../src/runner/isolation/index.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import type { NixFacts } from "../../../src/runner/nix/version.ts";
import { readFacts } from "../../../src/runner/nix/version.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import type { NixInstall } from "../../support/nix-versions.ts";
import { isolationForTest } from "../isolation/support.ts";
import type { Row } from "../../../src/runner/check/report.ts";
import type { Checked } from "../../../src/runner/check/pipeline.ts";
import { check } from "../../../src/runner/check/pipeline.ts";

/** An isolation of its own (daemon, sandbox, private store) and a job in it, for one test file. */
export interface NixForTest {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  /** The runner's state directory on the host. */
  readonly state: string;
  /** Argument vectors of everything that was started. */
  readonly started: string[][];
  /** A job of its own, until it is closed. */
  openJob(): Promise<{ readonly workspace: Workspace; close(): Promise<void> }>;
  /** Evaluates and builds a folder of these files. */
  check(files: Readonly<Record<string, string>>): Promise<Checked & { byName: Map<string, Row> }>;
  close(): Promise<void>;
}

/** Two files that run at once must not share user numbers. `nix`: as for `isolationForTest`. */
export async function nixForTest(
  uidBase: number,
  config: Partial<RawIsolationConfiguration> = {},
  nix?: NixInstall,
): Promise<NixForTest> {
  const own = await isolationForTest({ uidBase, jobUsers: 4, buildUsers: 8, ...config }, nix);
  const { isolation } = own;
  const close = () => own.close();
  try {
    const facts = await readFacts(workspaceOf(await isolation.openJob("facts")));
    const started: string[][] = [];
    const recorded = (workspace: Workspace): Workspace => ({
      ...workspace,
      launch: (request) => {
        started.push([...request.argv]);
        return workspace.launch(request);
      },
    });
    return {
      workspace: recorded(workspaceOf(await isolation.openJob("test"))),
      facts,
      state: join(own.directory, "state"),
      started,
      async openJob() {
        const job = await isolation.openJob("another");
        return { workspace: workspaceOf(job), close: () => job.dispose() };
      },
      async check(files) {
        const checkout = await folder(files);
        const job = await isolation.openJob("check");
        try {
          const checked = await check({
            workspace: recorded(workspaceOf(job)),
            facts,
            checkout,
            systems: null,
            signal: new AbortController().signal,
            now: () => performance.now(),
            say: () => {},
          });
          return { ...checked, byName: new Map(checked.rows.map((row) => [row.name, row])) };
        } finally {
          await job.dispose();
          await rm(checkout, { recursive: true });
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-flake-"));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

/** A flake of raw derivations: `mk name script deps` builds with the sandbox's /bin/sh, offline. */
export function flake(outputs: string): string {
  return `{ outputs = { self }: let
    mk = name: script: deps: derivation { inherit name deps; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
  in { ${outputs} }; }`;
}
