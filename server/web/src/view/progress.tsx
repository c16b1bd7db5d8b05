// How far the whole is, in bytes that have arrived.

import type { Page } from "../page";
import { UnderWay } from "./lists";
import { say } from "../pure/messages";
import { left, percent, sentence, size } from "../pure/words";
import type { Sending } from "../sending";

export function Progress({ page }: { page: Page }) {
  const { sending } = page;
  const { files, bytes, acknowledged, of, due } = sending.totals;
  if (files === 0) return null;
  const whole = percent(acknowledged, bytes);
  const arrived = of.looking + of.queued + of.sending + of.absent + of.leaving === 0;
  const done = arrived && due === 0;
  return (
    <div class={`card progress${done ? " done" : ""}`}>
      <div class="line">
        <span class="percent" aria-hidden="true">
          {done ? "✓" : say("percent", { n: whole })}
        </span>
        <div class="what">
          <p class="now">{now(page, done)}</p>
          <p class="hint">
            {stands(sending)}
          </p>
        </div>
        {!arrived && (sending.active || sending.paused) && (
          <button type="button" onClick={() => (sending.paused ? sending.resume() : sending.pause())}>
            {sending.paused ? say("go-on") : say("pause")}
          </button>
        )}
      </div>
      <progress max={100} value={whole} aria-label={say("arrived-label")} />
      <UnderWay sending={sending} />
      {!arrived && (
        <p class="hint">{say("nothing-lost")}</p>
      )}
      {sending.lookingTrouble && of.looking > 0 && page.standstill === undefined && (
        <p class="hint">
          {say("not-checked-yet", { n: of.looking, why: sending.lookingTrouble.replace(/[.!?]$/, "") })}
        </p>
      )}
    </div>
  );
}

/** How many files are here, of how many, and how much of that was compared. */
function stands({ totals }: Sending): string {
  const { files, here, bytes, acknowledged, checked } = totals;
  const some = say("files", { n: here });
  const arrived = say("arrived", { here: some, all: files, bytes: size(acknowledged), of: size(bytes) });
  if (checked === 0) return arrived;
  return checked === here ? say("arrived-checked-all", { arrived }) : say("arrived-checked", { arrived, checked });
}

function now(page: Page, done: boolean): string {
  const { sending } = page;
  const { of, due } = sending.totals;
  if (done) {
    const undecided = of.refused + of.failed;
    if (undecided > 0) return say("now-else", { n: undecided });
    if (page.session?.review.state === "returned" && !page.unsubmitted) return say("now-returned");
    return page.unsubmitted ? say("now-submit") : say("now-arrived");
  }
  const waiting = of.looking + of.queued + of.sending + of.absent;
  if (waiting === 0 && due > 0) return say("now-due", { n: due });
  if (sending.paused) return say("now-paused");
  const { standstill } = page;
  if (standstill !== undefined) {
    const seconds = standstill.until === undefined ? 0 : Math.ceil((standstill.until - performance.now()) / 1000);
    const why = sentence(standstill.text);
    return seconds > 1 ? say("now-again", { why, n: seconds }) : say("now-goes-on", { why });
  }
  if (of.queued + of.sending === 0) {
    if (of.looking > 0) return say("now-looking", { n: of.looking });
    return of.leaving > 0 ? say("now-leaving", { n: of.leaving }) : say("now-waiting");
  }
  const { rate, left: seconds } = sending.measure();
  if (seconds === undefined) return say("now-uploading");
  const time = left(seconds);
  const text = rate === undefined ? say("now-left", { left: time }) : say("now-speed", { left: time, speed: size(Math.round(rate)) });
  return text.charAt(0).toUpperCase() + text.slice(1);
}
