/** Stands in for `pino`, which does not start in a bundle for Workers. Probot gets its log handed in and never asks. */
export default function pino(): never {
  throw new Error("pino is not part of the Worker: pass Probot a `log`");
}
pino.destination = pino;
