import { expect, test } from "vitest";

import { Flight, weight } from "../src/pure/flight";

const MIB = 1 << 20;

/** Sends files of `bytes` for so many seconds over a line of `rate` bytes and `round` milliseconds. */
function line(flight: Flight, rate: number, round: number, bytes: number, seconds: number, from = 0) {
  const under: number[] = [];
  let now = from;
  let free = from;
  let files = 0;
  let most = 0;
  const end = from + seconds * 1000;
  for (;;) {
    while ((under.length + 1) * weight(bytes) <= flight.bytes || under.length < 2) {
      free = Math.max(free, now) + (bytes / rate) * 1000;
      under.push(free + round);
      flight.sent(now);
    }
    most = Math.max(most, under.length * bytes);
    now = under.shift()!;
    if (now > end) return { share: (files * bytes) / rate / seconds, most };
    files += 1;
    flight.arrived(weight(bytes), now);
  }
}

test("a long fat line is filled within some round trips", () => {
  const flight = new Flight();
  expect(line(flight, 75e6, 240, 65_536, 12).share).toBeGreaterThan(0.85);
});

test("a slow line is filled with little under way", () => {
  const flight = new Flight();
  line(flight, 250e3, 50, 60_000, 120);
  const later = line(flight, 250e3, 50, 60_000, 60, 120_000);
  expect(later.share).toBeGreaterThan(0.95);
  expect(later.most).toBeLessThan(1.5 * MIB);
});

test("where nothing is gained it does not grow", () => {
  const flight = new Flight();
  // A server that takes so many files a second, however many are asked of it.
  line(flight, 700 * 30_000, 2, 30_000, 30);
  expect(flight.bytes).toBeLessThanOrEqual(2 * MIB);
});

test("it finds the way up again after a bad time", () => {
  const flight = new Flight();
  line(flight, 75e6, 240, 65_536, 5);
  for (let n = 0; n < 10; n += 1) flight.broke();
  expect(flight.bytes).toBe(MIB / 4);
  line(flight, 75e6, 240, 65_536, 30, 5000);
  expect(flight.bytes).toBeGreaterThan(12 * MIB);
});

test("a queue that runs dry says nothing of the line", () => {
  const flight = new Flight();
  flight.sent(0);
  flight.wanting();
  flight.arrived(2 * MIB, 100);
  expect(flight.bytes).toBe(MIB);
});
