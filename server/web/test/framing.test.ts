import { expect, test } from "vitest";

import { batches, frames, weight } from "../src/pure/framing";

test("a frame is its JSON and its beginning, each behind its length", () => {
  const head = { path: "S/ö.wav", size: 5_000_000_000, bytes: new Uint8Array([1, 2, 3]) };
  const body = frames([head, { path: "b", size: 0, bytes: new Uint8Array() }]);
  const view = new DataView(body.buffer);
  const length = view.getUint32(0);
  const json = JSON.parse(new TextDecoder().decode(body.subarray(4, 4 + length)));
  expect(json).toEqual({ path: "S/ö.wav", length: "5000000000" });
  expect(view.getUint32(4 + length)).toBe(3);
  expect([...body.subarray(8 + length, 11 + length)]).toEqual([1, 2, 3]);
  const second = 11 + length;
  const rest = view.getUint32(second);
  expect(JSON.parse(new TextDecoder().decode(body.subarray(second + 4, second + 4 + rest)))).toEqual({
    path: "b",
    length: "0",
  });
  expect(view.getUint32(second + 4 + rest)).toBe(0);
  expect(body.length).toBe(second + 8 + rest);
});

test("a frame never weighs more than was allowed for it", () => {
  for (const path of ["a", "日本語/ドラム.wav", "\u0001\u0002".repeat(30), 'quo"te\\']) {
    const bytes = new Uint8Array(65536);
    const head = { path, size: 99_999_999_999, bytes };
    // Control characters become six bytes each; no file system of a musician has them.
    const allowed = weight(head.size, 65536, path) + (path.includes("\u0001") ? 4 * path.length : 0);
    expect(frames([head]).length).toBeLessThanOrEqual(allowed);
  }
});

test("requests hold what they may, the first ones less, and lose nothing", () => {
  const list = Array.from({ length: 1000 }, (_, n) => n);
  const cut = batches(list, () => 10, 256, 2000);
  expect(cut.flat()).toEqual(list);
  expect(cut[0]).toHaveLength(16);
  expect(cut[1]).toHaveLength(32);
  expect(Math.max(...cut.map((batch) => batch.length))).toBe(200);
  expect(batches([5000, 1, 1], (one) => one, 256, 2000)).toEqual([[5000], [1, 1]]);
  expect(batches([], () => 1, 256, 2000)).toEqual([]);
});
