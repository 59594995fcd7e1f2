/**
 * Version of the contract between control plane and runner. Raised when a frame changes in a way an older peer
 * cannot read; samples of every released version stay in `test/protocol/samples/`.
 */
export const PROTOCOL_VERSION = 1;
