// What a screen reader hears, and the tab's title: a sentence when something has changed that
// matters, a number every tenth. Never every byte.

import type { Page } from "../page";
import { say } from "../pure/messages";
import { left, percent, sentence } from "../pure/words";

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
    const order = page.state.title ?? say("order", { number: page.state.order });
    if (page.finished) return say("title-submitted", { order });
    if (page.standstill) return say("title-waiting", { order });
    if (sending.paused && bytes > acknowledged) return say("title-paused", { order });
    if (sending.active) return say("title-percent", { n: percent(acknowledged, bytes), order });
    if (page.unsubmitted) return say("title-not-submitted", { order });
    return order;
  }
}

function summary(page: Page): string {
  const { sending } = page;
  const { of, bytes, acknowledged, unsealed } = sending.totals;
  const words: string[] = [];
  const troubled = of.refused + of.failed;
  if (troubled > 0) words.push(say("heard-attention", { n: troubled }));
  if (of.absent > 0) words.push(say("heard-absent", { n: of.absent }));
  if (sending.closed !== undefined) words.push(sentence(sending.closed));
  else if (sending.paused && bytes > acknowledged) words.push(say("now-paused"));
  else if (page.standstill) words.push(say("now-goes-on", { why: sentence(page.standstill.text) }));
  else if (of.looking > 0 && of.sending === 0) words.push(say("heard-looking"));
  else if (sending.active) {
    const tenth = Math.floor(percent(acknowledged, bytes) / 10) * 10;
    const seconds = sending.measure().left;
    words.push(say("heard-tenth", { n: tenth }));
    // Only with the tenth: the time alone would be read out again and again.
    if (seconds !== undefined && tenth !== lastTenth) spoken = sentence(say("now-left", { left: left(seconds) }));
    lastTenth = tenth;
    words.push(spoken);
  } else if (unsealed > 0 && troubled + of.absent === 0) {
    words.push(say("heard-arrived"));
  } else if (page.finished) words.push(say("heard-submitted"));
  return words.filter((word) => word !== "").join(" ");
}

let lastTenth = -1;
let spoken = "";
