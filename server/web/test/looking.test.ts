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
