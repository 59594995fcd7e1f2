/**
 * The server side of a sequenced channel. Use in a Durable Object:
 *
 * ```ts
 * readonly #channel = new Channel(this.ctx.storage, RunFrame, dataReply);   // constructor: makes its table
 *
 * fetch(request) {                                   // forwarded by the Worker, token verified there
 *   const claims = claimsOf(request);                // compare with the object's own identity, else answer 403
 *   const { response, socket } = openSocket(this.ctx, { claims });
 *   this.#channel.opened(socket, `${claims.job}/${claims.attempt}`);         // tells the sender what is committed
 *   return response;
 * }
 * webSocketMessage(socket, message) {
 *   const { claims } = socket.deserializeAttachment();
 *   this.#channel.receive(socket, `${claims.job}/${claims.attempt}`, message, {
 *     allow: (frame) => (stale ? { stale: "attempt 2 was offered" } : null), // before anything is committed
 *     commit: (frame) => { …synchronous SQL… },     // inside one transaction with the position; once for each seq
 *   });
 * }
 * webSocketClose(socket, code) { closeSocket(socket, code); }
 * ```
 *
 * Frames arrive in order (next = last committed + 1). A repetition is acknowledged again and not committed again; a gap,
 * a malformed or too large frame closes the socket, so that the sender connects and sends again from the last ack.
 * `commit` must not await. When it throws, nothing of the frame is kept, the socket is closed and the error goes on.
 */
export type { AttemptClaims } from "./claims.ts";
export { claimsOf, withClaims } from "./claims.ts";
export type { Reply } from "./channel.ts";
export { Channel } from "./channel.ts";
export { dataReply, dataText } from "./reply.ts";
export { closeSocket, openSocket, send } from "./socket.ts";
