// Numbers, times and the server's sentences as people read them.

import { language, say } from "./messages";

/** Bytes in powers of ten, as disks are sold; two sizes of one session look alike. */
export function size(bytes: number): string {
  if (bytes < 1000) return say("size-bytes", { n: bytes });
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  let value = bytes;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.95 && unit < units.length - 1);
  const amount = value < 100 ? value.toFixed(1) : value.toFixed(0);
  return say("size-of", { amount: language === "fr" ? amount.replace(".", ",") : amount, unit: units[unit]! });
}

/** The time left, as coarse as it is known. */
export function left(seconds: number): string {
  if (seconds < 50) return say("left-moment");
  const minutes = seconds / 60;
  if (minutes < 10) return say("left-minutes", { n: Math.round(minutes) });
  if (minutes < 57.5) return say("left-minutes", { n: Math.round(minutes / 5) * 5 });
  const tens = Math.round(minutes / 10) * 10;
  const hours = Math.floor(tens / 60);
  if (hours >= 24) return say("left-days", { n: Math.floor(hours / 24) });
  const rest = hours < 6 ? tens % 60 : 0;
  return rest > 0 ? say("left-hours-and", { n: hours, minutes: rest }) : say("left-hours", { n: hours });
}

/** Whole percent; 100 only when everything has arrived. */
export function percent(done: number, of: number): number {
  if (of <= 0) return done >= of ? 100 : 0;
  return done >= of ? 100 : Math.min(99, Math.floor((done / of) * 100));
}

/** A message of the server as a sentence: capital (but not of a file's name), full stop. */
export function sentence(message: string): string {
  const text = message.trim();
  if (text === "") return "";
  const word = text.split(/\s/, 1)[0]!;
  const first = /^[a-z][a-z'’-]*[,:;]?$/.test(word) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** The last part of a path, and what is before it. */
export function split(path: string): { folder: string; name: string } {
  const at = path.lastIndexOf("/");
  return { folder: path.slice(0, at + 1), name: path.slice(at + 1) };
}
