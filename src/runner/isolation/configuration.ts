import * as z from "zod";

const absolutePath = z.string().regex(/^\/[^\0]*$/, "must be an absolute path");

/** `host:port`; the host may be `*` or `*.name`, the port `*`; an IPv6 address stands in brackets. */
export const EgressPattern = z
  .string()
  .regex(
    /^(\*|(\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\*|[0-9]{1,5})$/,
    "must be host:port, such as *.example.org:443",
  );

/** What the operator decides about isolation. Paths are absolute, memory is in bytes. */
export const IsolationConfiguration = z.strictObject({
  /** Everything the runner owns on disk lies beneath; its parents must be searchable by others. */
  stateDirectory: absolutePath,
  /**
   * First of the range of user and group numbers: agent, egress, build group, build users, job users.
   * Two runners on one host need ranges that do not overlap.
   */
  uidBase: z.int().min(1000).max(4_000_000_000).default(31_000),
  jobUsers: z.int().min(1).max(500).default(16),
  buildUsers: z.int().min(1).max(128).default(16),
  /** `private`: a store of its own in a mount namespace. `host`: the machine's /nix and its daemon. */
  store: z.enum(["private", "host"]).default("private"),
  /** `off`: limits are the approximations that rlimits give, even where cgroups could be used. */
  cgroups: z.enum(["auto", "off"]).default("auto"),
  egress: z.array(EgressPattern).default(["*:443"]),
  /** Host paths that every job may read, at the same place; nothing else of the host is visible. */
  readOnlyPaths: z.array(absolutePath).default([]),
  /** Further lines of nix.conf, such as `substituters` and `trusted-public-keys`. */
  nix: z.record(z.string().regex(/^[a-z-]+$/), z.string().regex(/^[^\n]*$/)).default({}),
  /**
   * A Nix that is not on the system's own PATH: a folder with `bin/nix` in it and all that it needs, which every job
   * sees at the same place. `null`: the system's.
   */
  nixFolder: absolutePath.nullable().default(null),
  /** A static shell that becomes /bin/sh of the build sandbox; `null` when Nix has its own. */
  sandboxShell: absolutePath.nullable().default("/bin/busybox"),
});
export type IsolationConfiguration = z.output<typeof IsolationConfiguration>;
export type RawIsolationConfiguration = z.input<typeof IsolationConfiguration>;
