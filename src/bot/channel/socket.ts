import { PING, PONG } from "../../protocol/control.ts";

/** Accepts a WebSocket that may hibernate; `attachment` (≤ 2 KiB) survives it. Pings are answered without waking. */
export function openSocket(
  state: DurableObjectState,
  attachment: unknown,
  tags: string[] = [],
): { response: Response; socket: WebSocket } {
  const pair = new WebSocketPair();
  const [client, socket] = [pair[0], pair[1]];
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
  state.acceptWebSocket(socket, tags);
  socket.serializeAttachment(attachment);
  return { response: new Response(null, { status: 101, webSocket: client }), socket };
}

/** Closes, whatever state the socket is in. Codes that only the network itself may use become 1000. */
export function closeSocket(socket: WebSocket, code: number, reason = ""): void {
  const sendable =
    code === 1000 ||
    (code >= 1001 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999);
  try {
    socket.close(sendable ? code : 1000, reason.slice(0, 120));
  } catch {
    // Already closed: that is what was asked for.
  }
}

/** Sends; false when the socket is gone, and the sender of the other side will ask again after it reconnects. */
export function send(socket: WebSocket, text: string): boolean {
  try {
    socket.send(text);
    return true;
  } catch {
    return false;
  }
}
