// A proxy as hotels and companies have them: TLS with the studio's certificate, bodies up to a
// limit, each one taken in whole before it is passed on, quickly or so many bytes a second.

import { readFileSync } from "node:fs";
import { Agent, createServer, request } from "node:https";

/** Listens on a port of its own; `counts` says what it refused, let through and held back. */
export function proxy(target, folder, limit, pace = Infinity) {
  const tls = { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) };
  const agent = new Agent({ rejectUnauthorized: false, keepAlive: true });
  const counts = { refused: 0, largest: 0, ahead: 0 };
  const server = createServer(tls, async (asked, answer) => {
    const announced = Number(asked.headers["content-length"] ?? 0);
    if (announced > limit) {
      counts.refused += 1;
      // As nginx does: it answers at once, throws away what still comes, and closes after that. One that
      // closed before would have the answer lost with what was not read.
      answer.writeHead(413, { "content-type": "text/html" });
      answer.end("<html><h1>413 Request Entity Too Large</h1></html>");
      asked.resume().on("end", () => asked.socket.end());
      return;
    }
    const parts = [];
    try {
      for await (const part of asked) parts.push(part);
    } catch {
      return;
    }
    const body = Buffer.concat(parts);
    counts.largest = Math.max(counts.largest, body.length);
    const headers = { ...asked.headers };
    const passed = request(new URL(asked.url, target), { method: asked.method, headers, agent }, (said) => {
      const back = { ...said.headers };
      delete back.connection;
      delete back["transfer-encoding"];
      answer.writeHead(said.statusCode, back);
      said.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    // In steps of a twentieth of a second, beside whatever else is on its way.
    const step = Math.ceil(pace / 20);
    let at = 0;
    for (; body.length - at > step; at += step) {
      counts.ahead = Math.max(counts.ahead, body.length - at);
      passed.write(body.subarray(at, at + step));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    passed.end(body.subarray(at));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const base = `https://127.0.0.1:${server.address().port}`;
      resolve({ base, counts, close: () => server.close() });
    });
  });
}
