import type { Stack } from "../support/stack.ts";

/**
 * For whoever brings a flake, payloads or attacks of their own: one line of JSON, then everything serves until
 * stopped. `docs/TESTING.md` describes each field.
 */
export async function serve(stack: Stack, stopped: Promise<unknown>): Promise<void> {
  const { accounts, github } = stack;
  await github.createRepository({
    owner: accounts.owner,
    name: "playground",
    files: { "README.md": "# playground\n\nPush a flake here.\n" },
  });
  const line = {
    api: github.url,
    token: stack.tokens,
    app_id: stack.app.id,
    installation_id: stack.installation.id,
    webhook_secret: stack.webhookSecret,
    git: github.gitUrl,
    pages: stack.worker.url,
    runner_store: {
      /** As root: `nix --store STORE path-info …`, `nix-store --store STORE --check-validity …`. */
      store: stack.runner.nix.url,
      root: stack.runner.nix.root,
    },
    users: { write: accounts.owner.login, none: accounts.stranger.login },
    repository: `${accounts.owner.login}/playground`,
    webhook: `${stack.worker.url}/github/webhook`,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await stopped;
}
