/** What `cloudflare:workers` gives in the tests: the bindings of wrangler.toml and the Worker's own exports. */
declare namespace Cloudflare {
  interface Env extends Omit<import("../../../src/bot/environment.ts").Environment, never> {
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
  }
  interface GlobalProps {
    mainModule: typeof import("../../../src/bot/worker.ts");
  }
}

declare module "*.sql?raw" {
  const text: string;
  export default text;
}
