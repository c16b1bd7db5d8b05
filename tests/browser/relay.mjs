// A line between the browser and the server that can be made slow: TCP from end to end, TLS and
// HTTP/2 untouched, so it slows every engine alike. One for a scene, shared by all its pages.

import { connect, createServer } from "node:net";

/** How often a slow line lets bytes through, in milliseconds. */
const STEP = 25;
/** What one connection may pass on before the next one's turn. */
const TURN = 16_384;

/**
 * Listens on a port of its own and passes everything on to where `link` leads. `slow(bytes)` lets so
 * many bytes a second leave the browser, Infinity for all.
 */
export function relay(link) {
  const { hostname, port, pathname } = new URL(link);
  const lines = new Set();
  let pace = Infinity;
  let budget = Infinity;

  const move = () => {
    for (let moved = true; moved; ) {
      moved = false;
      for (const { from, to } of lines) {
        const most = Math.floor(Math.min(budget, TURN, from.readableLength));
        const part = most > 0 && !to.writableNeedDrain ? from.read(most) : null;
        if (part === null) continue;
        to.write(part);
        budget -= part.length;
        moved = true;
      }
    }
  };
  setInterval(() => {
    // What was not used in time is gone.
    budget = pace === Infinity ? Infinity : Math.min(budget, Math.max(1, (pace * STEP) / 1000)) + (pace * STEP) / 1000;
    move();
  }, STEP).unref();

  const server = createServer((from) => {
    const to = connect(Number(port), hostname);
    const line = { from, to };
    lines.add(line);
    const end = () => {
      lines.delete(line);
      from.destroy();
      to.destroy();
    };
    for (const socket of [from, to]) socket.setNoDelay(true).on("error", end).on("close", end);
    from.on("readable", move);
    to.on("drain", move);
    to.pipe(from);
  });
  const slow = (bytes) => {
    pace = bytes;
    budget = bytes === Infinity ? Infinity : 0;
    move();
  };
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({ link: new URL(pathname, `https://127.0.0.1:${server.address().port}`).href, slow });
    });
  });
}
