import { afterEach, expect, test, vi } from "vitest";

import { Link } from "../src/api";
import { compare, take, type Items } from "../src/items";
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

test("what was asked in parts is compared once all of it is there", async () => {
  const asked: string[] = [];
  const bodies: string[] = [];
  const twin = { rule: "names", severity: "refuse" as const, message: "one name", compared: true };
  const stub = (address: string, { body }: { body: Uint8Array }) => {
    const text = new TextDecoder().decode(body);
    const paths = [...text.matchAll(/"path":"([^"]*)"/g)].map(([, path]) => path!);
    asked.push(`${address.split("/").at(-1)} ${paths.length}`);
    bodies.push(text);
    const file = (path: string) => ({ path, normalised: path, action: "upload", known: "header", seen: { of: path }, findings: [] as object[] });
    const together = address.endsWith("together");
    const files = together ? [{ ...file("take 3.wav"), findings: [twin] }] : paths.map(file);
    const session = together ? [{ rule: "mixed_sample_rates", severity: "warn", message: "two rates", files: paths }] : [];
    return Promise.resolve(Response.json({ files, session, forbidden: [] }));
  };
  vi.stubGlobal("fetch", stub);
  const said: string[] = [];
  const looking = new Looking(new Link("/u/link"), 65_536, {
    looked: (list, answer, take) => {
      for (const item of take(list, answer)) item.stage = "queued";
      said.push(...answer.session.map(({ message }) => message));
    },
    unlooked: () => {},
    unreadable: () => {},
    trouble: () => {},
  }, 20_000);
  const items: Items = new Map();
  const picks = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => {
      const path = `take ${from + at}.wav`;
      return { path, file: new File(["RIFF"], path, { lastModified: 0 }) };
    });
  const first = take(items, picks(0, 40), false).fresh;
  looking.look(first);
  await vi.waitFor(() => expect(said).toEqual(["two rates"]));
  expect(asked).toEqual(["preflight?scope=part 16", "preflight?scope=part 24", "preflight?scope=together 40"]);
  // What the answers said of each goes back with its name.
  expect(bodies[2]).toContain('{"path":"take 39.wav","length":"4","seen":{"of":"take 39.wav"}}');
  expect(first[3]).toMatchObject({ stage: "refused", findings: [twin] });
  expect(first[4]).toMatchObject({ stage: "queued", findings: [] });
  // One that comes later is compared with those; what has left is not.
  first[3]!.stage = "left";
  looking.look(take(items, picks(40, 41), false).fresh);
  await vi.waitFor(() => expect(asked.slice(3)).toEqual(["preflight?scope=part 1", "preflight?scope=together 40"]));
});

test("a finding of a comparison goes with its cause", () => {
  const items: Items = new Map();
  const file = new File(["x"], "a.wav", { lastModified: 0 });
  const [item] = take(items, [{ path: "a.wav", file }], false).fresh;
  item!.stage = "queued";
  const own = { rule: "odd_header", severity: "warn" as const, message: "odd" };
  item!.findings = [own];
  const half = { rule: "unreadable_audio", severity: "refuse" as const, message: "half of a pair", compared: true };
  const verdict = { path: "a.wav", normalised: "a.wav", action: "upload" as const, known: "header" as const, findings: [half] };
  expect(compare([item!], { files: [verdict], session: [], forbidden: [] })).toEqual([]);
  expect(item).toMatchObject({ stage: "refused", findings: [own, half] });
  expect(compare([item!], { files: [], session: [], forbidden: [] })).toEqual([item]);
  expect(item!.findings).toEqual([own]);
});
