import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fetchPackages, must } from "../../../scripts/tools/packages.mjs";
import { writeInitrd } from "./initrd.ts";

/** Debian's suite of the guest, whatever the host is. */
const SUITE = "bookworm";
const PACKAGES = [
  "base-files",
  "base-passwd",
  "bash",
  "busybox-static",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "findutils",
  "grep",
  "gzip",
  "hostname",
  "iproute2",
  "kmod",
  "libc-bin",
  "login",
  "linux-image-cloud-amd64",
  "mawk",
  "mount",
  "ncurses-base",
  "nix-bin",
  "openssh-server",
  "passwd",
  "procps",
  "sed",
  "systemd-sysv",
  "tar",
  "util-linux",
];
/** Dependencies of the package manager, and of what makes initial RAM disks: nothing of it runs in the guest. */
const LEFT_OUT =
  /^(dpkg|initramfs-tools|klibc|libklibc|libdbd|libdbi|libperl|libwww|linux-base|perl|perl-modules)[-_.\d]/u;
const DAY = 86_400_000;
const NOT_UNPACKED = ["doc", "info", "locale", "man"].map(
  (name) => `--exclude=./usr/share/${name}`,
);

/** A Debian that has been unpacked, not installed: its maintainers' scripts have not run, what they would do is in `settle`. */
export interface Base {
  /** `root/`, `vmlinuz`, `initrd`, `identity` (the client's key), `host.pub`. */
  readonly folder: string;
  /** Changes with whatever it is made of. */
  readonly key: string;
}

/** Outside the checkout, for root alone. */
export function guestCache(): string {
  return join(process.env.SNOWCAT_CACHE || "/var/cache/snowcat", "guest-1");
}

/** Makes it once; about 10 s, and 95 MB from Debian's mirror. */
export async function guestBase(): Promise<Base> {
  const key = hashOf(...["base.ts", "initrd.ts", "initrd.sh"].map(readHere)).slice(0, 16);
  const folder = join(guestCache(), `base-${key}`);
  await cached(folder, async (made) => make(made));
  return { folder, key };
}

/** Fills a folder that is not there yet. It appears whole or not at all; of two at once one is thrown away. */
export async function cached(folder: string, fill: (made: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) {
    utimesSync(folder, new Date(), new Date());
    return;
  }
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
  const made = mkdtempSync(join(dirname(folder), ".making-"));
  try {
    await fill(made);
    renameSync(made, folder);
    forgetOthers(folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

/** What no test has asked for since yesterday was made of something else. */
function forgetOthers(folder: string): void {
  const cache = dirname(folder);
  const kind = basename(folder).replace(/-.*/u, "");
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (path === folder || !(name.startsWith(`${kind}-`) || name.startsWith(".making-"))) continue;
    if (statSync(path).mtimeMs < Date.now() - DAY) rmSync(path, { recursive: true, force: true });
  }
}

export function hashOf(...texts: string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

function readHere(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}

function make(folder: string): void {
  const root = join(folder, "root");
  for (const name of ["bin", "lib", "lib64", "sbin"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const work = join(folder, "work");
  mkdirSync(work);
  for (const archive of fetchPackages(SUITE, PACKAGES, work)) {
    if (LEFT_OUT.test(archive.slice(archive.lastIndexOf("/") + 1))) continue;
    const files = execFileSync("dpkg-deb", ["--fsys-tarfile", archive], { maxBuffer: 1 << 30 });
    // The archive's /lib is a folder, and ours a link to /usr/lib.
    const args = ["-x", "-C", root, "--keep-directory-symlink", ...NOT_UNPACKED];
    execFileSync("tar", args, { input: files });
  }
  rmSync(work, { recursive: true });
  const kernel = readdirSync(join(root, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (kernel === undefined) throw new Error("the packages hold no kernel");
  copyFileSync(join(root, "boot", kernel), join(folder, "vmlinuz"));
  writeInitrd(root, join(folder, "initrd"));
  for (const name of [`usr/lib/modules`, `boot/${kernel}`])
    rmSync(join(root, name), { recursive: true });
  settle(root, folder);
}

/** What maintainers' scripts and an administrator would have done. */
function settle(root: string, folder: string): void {
  const write = (path: string, ...lines: string[]): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    rmSync(join(root, path), { force: true });
    writeFileSync(join(root, path), lines.map((line) => `${line}\n`).join(""));
  };
  const link = (target: string, path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    rmSync(join(root, path), { force: true });
    symlinkSync(target, join(root, path));
  };
  const users = readFileSync(join(root, "usr/share/base-passwd/passwd.master"), "utf8");
  write("etc/passwd", users.trim(), "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin");
  copyFileSync(join(root, "usr/share/base-passwd/group.master"), join(root, "etc/group"));
  write("etc/shadow", "root:*:19000:0:99999:7:::");
  link("dash", "usr/bin/sh");
  link("mawk", "usr/bin/awk");
  must("chroot", [root, "/sbin/ldconfig"]);
  write("etc/hostname", "guest");
  write("etc/fstab");
  write("etc/machine-id", hashOf("guest").slice(0, 32));
  // Activation and switch-to-configuration look for it.
  write("etc/NIXOS");
  write(
    "etc/nix/nix.conf",
    "experimental-features = nix-command flakes",
    "substituters =",
    "build-users-group =",
    "sandbox = false",
  );
  for (const name of ["identity", "host"])
    must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)]);
  mkdirSync(join(root, "root/.ssh"), { mode: 0o700 });
  copyFileSync(join(folder, "identity.pub"), join(root, "root/.ssh/authorized_keys"));
  renameSync(join(folder, "host"), join(root, "etc/ssh/ssh_host_ed25519_key"));
  write(
    "etc/ssh/sshd_config",
    "HostKey /etc/ssh/ssh_host_ed25519_key",
    "PasswordAuthentication no",
    "UseDNS no",
    "UsePAM no",
  );
  units(root, write, link);
}

/** As few as systemd lives with: each costs time where every instruction is emulated. */
function units(
  root: string,
  write: (path: string, ...lines: string[]) => void,
  link: (target: string, path: string) => void,
): void {
  const at = (name: string): string => `usr/lib/systemd/system/${name}`;
  for (const name of readdirSync(join(root, at("")))) {
    if (/\.(wants|requires)$/u.test(name)) rmSync(join(root, at(name)), { recursive: true });
  }
  rmSync(join(root, "etc/systemd/system"), { recursive: true, force: true });
  const wanted = {
    "sysinit.target": ["systemd-journald.service", "systemd-tmpfiles-setup.service"],
    "sockets.target": ["systemd-journald.socket", "systemd-journald-dev-log.socket"],
    "multi-user.target": ["ssh.service"],
  };
  for (const [target, names] of Object.entries(wanted)) {
    for (const name of names) link(`../${name}`, at(`${target}.wants/${name}`));
  }
  link("multi-user.target", at("default.target"));
  write(
    at("ssh.service"),
    "[Service]",
    "Type=notify",
    "ExecStart=/usr/sbin/sshd -D",
    // Told on the serial console: it listens.
    `ExecStartPost=/bin/sh -c 'echo "guest: ready" > /dev/ttyS0'`,
    "KillMode=process",
    "Restart=always",
    "RuntimeDirectory=sshd",
  );
  write("usr/lib/systemd/journald.conf.d/guest.conf", "[Journal]", "Storage=volatile");
}
