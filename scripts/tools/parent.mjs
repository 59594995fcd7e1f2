/** Milliseconds between two looks. */
const lookEvery = 500;

/**
 * Calls back, once, when the process that started this one is gone: killed, it passes nothing on, and
 * what it started must not outlive it. Does not keep this process alive.
 *
 * @param {() => void} then
 */
export function whenParentIsGone(then) {
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    then();
  }, lookEvery);
  look.unref();
}
