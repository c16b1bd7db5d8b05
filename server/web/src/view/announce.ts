// What a screen reader hears, and the tab's title: a sentence when something has changed that
// matters, a number every tenth. Never every byte.

import type { Page } from "../page";
import { count, left, percent, sentence } from "../pure/words";

export class Announcer {
  readonly element: HTMLElement;
  private last = "";

  constructor(main: HTMLElement) {
    this.element = document.createElement("p");
    this.element.className = "heard";
    this.element.setAttribute("role", "status");
    main.append(this.element);
  }

  say(page: Page): void {
    const text = summary(page);
    if (text === this.last) return;
    this.last = text;
    this.element.textContent = text;
  }

  title(page: Page): string {
    const { sending } = page;
    const { bytes, acknowledged } = sending.totals;
    const order = page.state.title ?? `Order ${page.state.order}`;
    if (page.finished) return `Submitted · ${order}`;
    if (page.standstill) return `Waiting · ${order}`;
    if (sending.paused && bytes > acknowledged) return `Paused · ${order}`;
    if (sending.active) return `${percent(acknowledged, bytes)} % · ${order}`;
    if (page.unsubmitted) return `Not submitted yet · ${order}`;
    return order;
  }
}

function summary(page: Page): string {
  const { sending } = page;
  const { of, bytes, acknowledged, unsealed } = sending.totals;
  const words: string[] = [];
  const troubled = of.refused + of.failed;
  if (troubled > 0) words.push(`${count(troubled, "file needs", "files need")} your attention.`);
  if (of.absent > 0) words.push(`${count(of.absent, "file has", "files have")} to be chosen again.`);
  if (sending.closed !== undefined) words.push(sentence(sending.closed));
  else if (sending.paused && bytes > acknowledged) words.push("Paused.");
  else if (page.standstill) words.push(`${sentence(page.standstill.text)} It goes on by itself.`);
  else if (of.looking > 0 && of.sending === 0) words.push("The studio looks at your files.");
  else if (sending.active) {
    const tenth = Math.floor(percent(acknowledged, bytes) / 10) * 10;
    const seconds = sending.measure().left;
    words.push(`Uploading, ${tenth} percent has arrived.`);
    // Only with the tenth: the time alone would be read out again and again.
    if (seconds !== undefined && tenth !== lastTenth) spoken = ` ${sentence(`${left(seconds)} left`)}`;
    lastTenth = tenth;
    words.push(spoken.trim());
  } else if (unsealed > 0 && troubled + of.absent === 0) {
    words.push("Everything has arrived. It is not submitted yet.");
  } else if (page.finished) words.push("Submitted.");
  return words.filter((word) => word !== "").join(" ");
}

let lastTenth = -1;
let spoken = "";
