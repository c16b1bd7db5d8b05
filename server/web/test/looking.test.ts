import { afterEach, expect, test, vi } from "vitest";

import { Link } from "../src/api";
import { take, type Items } from "../src/items";
import { Looking } from "../src/looking";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("an outage is over when the studio answers, whatever it answers", async () => {
  vi.useFakeTimers();
  const answers = [
    () => Promise.reject(new TypeError("connection refused")),
    () => Promise.resolve(new Response("a proxy does not like this", { status: 400 })),
  ];
  vi.stubGlobal("fetch", () => answers.shift()!());
  vi.stubGlobal("addEventListener", () => {});
  vi.stubGlobal("removeEventListener", () => {});
  const said: (string | undefined)[] = [];
  const unlooked: string[] = [];
  const looking = new Looking(new Link("/u/link"), 65_536, {
    looked: () => said.push("looked"),
    unlooked: (items) => unlooked.push(...items.map((item) => item.path)),
    unreadable: () => said.push("unreadable"),
    trouble: (text) => said.push(text),
  });
  const items: Items = new Map();
  const file = new File(["x"], "a.txt", { lastModified: 0 });
  looking.look(take(items, [{ path: "a.txt", file }], false).fresh);
  await vi.waitFor(() => expect(said).toEqual(["the connection to the studio is interrupted"]));
  await vi.advanceTimersByTimeAsync(2000);
  await vi.waitFor(() => expect(unlooked).toEqual(["a.txt"]));
  expect(said.at(-1)).toBeUndefined();
});

test("a little is sent of each file, and more where the checks want to see more", async () => {
  const sizes: number[] = [];
  const answer = (path: string, known: string) => ({ path, normalised: path, action: "upload", known, findings: [] });
  const answers = [
    [answer("long.wav", "format"), answer("short.wav", "format"), answer("note.txt", "header")],
    [answer("long.wav", "format")],
  ];
  vi.stubGlobal("fetch", (_: string, { body }: { body: Uint8Array }) => {
    sizes.push(body.length);
    return Promise.resolve(Response.json({ files: answers.shift(), session: [], forbidden: [] }));
  });
  const looked: string[][] = [];
  const looking = new Looking(new Link("/u/link"), 65_536, {
    looked: (items) => looked.push(items.map((item) => item.path).sort()),
    unlooked: () => {},
    unreadable: () => {},
    trouble: () => {},
  });
  const file = (name: string, size: number) => ({ path: name, file: new File([new Uint8Array(size)], name, { lastModified: 0 }) });
  const picks = [file("long.wav", 80_000), file("short.wav", 3000), file("note.txt", 50_000)];
  looking.look(take(new Map(), picks, false).fresh);
  // The whole of what is short has been seen: more of it cannot be sent.
  await vi.waitFor(() => expect(looked).toEqual([["note.txt", "short.wav"], ["long.wav"]]));
  expect(sizes[0]).toBeLessThan(2 * 4096 + 3000 + 500);
  expect(sizes[1]).toBeGreaterThan(65_536);
});
