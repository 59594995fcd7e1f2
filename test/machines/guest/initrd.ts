import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** In the order in which they are loaded. */
const MODULES = [
  "virtio",
  "virtio_ring",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "failover",
  "net_failover",
  "virtio_net",
  "autofs4",
];
const FILE = 0o100_755;
const FOLDER = 0o040_755;

/** The initial RAM disk: busybox, the drivers, and `initrd.sh`, which is the guest's boot loader. */
export function writeInitrd(root: string, to: string): void {
  const modules = join(root, "usr/lib/modules");
  const files = readdirSync(modules, { recursive: true, encoding: "utf8" });
  const module = (name: string): string => {
    const file = files.find((path) => basename(path) === `${name}.ko`);
    if (file === undefined) throw new Error(`the kernel's package holds no ${name}.ko`);
    return join(modules, file);
  };
  const entries: Buffer[] = [];
  const add = (path: string, mode: number, content: Buffer): void => {
    entries.push(entry(path, mode, content, entries.length + 1));
  };
  for (const folder of ["bin", "dev", "mnt", "modules", "proc", "run", "sys"])
    add(folder, FOLDER, Buffer.alloc(0));
  add("bin/busybox", FILE, readFileSync(join(root, "usr/bin/busybox")));
  add("init", FILE, readFileSync(join(import.meta.dirname, "initrd.sh")));
  for (const [at, name] of MODULES.entries())
    add(`modules/${String(at).padStart(2, "0")}-${name}.ko`, FILE, readFileSync(module(name)));
  add("TRAILER!!!", 0, Buffer.alloc(0));
  writeFileSync(to, Buffer.concat(entries));
}

/** One file of a cpio archive. Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst, "newc". */
function entry(path: string, mode: number, content: Buffer, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const padded = (data: Buffer): Buffer =>
    Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(content)]);
}
