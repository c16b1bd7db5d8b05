import { expect, test } from "vitest";

import { CEILING, RequestSize, SMALLEST_CAP } from "../src/pure/request-size";

const MIB = 1 << 20;

test("requests grow until they last a few seconds", () => {
  const size = new RequestSize();
  expect(size.bytes).toBe(MIB);
  // 20 MiB a second.
  for (let n = 0; n < 10; n += 1) size.took(size.bytes, (size.bytes / (20 * MIB)) * 1000);
  expect(size.bytes / MIB).toBeCloseTo(60, 0);
  for (let n = 0; n < 10; n += 1) size.took(size.bytes, 1);
  expect(size.bytes).toBe(CEILING);
});

test("slow lines get small requests, the end of a file says nothing", () => {
  const size = new RequestSize();
  size.took(MIB, 60_000);
  expect(size.bytes).toBe(MIB / 4);
  const fast = new RequestSize();
  fast.took(1000, 1);
  expect(fast.bytes).toBe(MIB);
});

test("what a proxy refuses is halved, down to 1 MiB, and stays", () => {
  const size = new RequestSize();
  for (let n = 0; n < 5; n += 1) size.took(size.bytes, 10);
  // Four requests of one size were under way: that is one refusal, not four.
  const refused = size.bytes;
  for (let n = 0; n < 4; n += 1) expect(size.refused(refused)).toBe(true);
  expect(size.bytes).toBe(refused / 2);
  while (size.refused(size.bytes));
  expect(size.bytes).toBe(SMALLEST_CAP);
  for (let n = 0; n < 5; n += 1) size.took(size.bytes, 10);
  expect(size.bytes).toBe(SMALLEST_CAP);
  expect(size.refused(SMALLEST_CAP)).toBe(false);
  expect(new RequestSize(size.cap).cap).toBe(SMALLEST_CAP);
  expect(new RequestSize(3).cap).toBe(SMALLEST_CAP);
});

test("what breaks off risks less, and grows again", () => {
  const size = new RequestSize();
  size.took(MIB, 10);
  size.broke(4 * MIB);
  expect(size.bytes).toBe(2 * MIB);
  for (let n = 0; n < 20; n += 1) size.took(size.bytes, 10);
  expect(size.bytes).toBe(4 * MIB);
  for (let n = 0; n < 200; n += 1) size.took(size.bytes, 10);
  expect(size.bytes).toBe(CEILING);
});

test("a proxy that cuts the line instead of refusing is seldom met again", () => {
  const size = new RequestSize();
  let broken = 0;
  for (let n = 0; n < 100; n += 1) {
    const bytes = size.bytes;
    if (bytes <= 2.5 * MIB) size.took(bytes, 10);
    else (broken += 1), size.broke(bytes);
  }
  expect(broken).toBeGreaterThan(0);
  expect(broken).toBeLessThan(8);
  expect(size.cap).toBe(CEILING);
});
