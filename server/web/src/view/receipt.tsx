// After submitting: the receipt, or why the studio sent the session back.

import { useLayoutEffect, useRef } from "preact/hooks";

import type { Receipt } from "../api";
import type { Page } from "../page";
import { count, sentence, size } from "../pure/words";

export function Done({ page, receipt }: { page: Page; receipt: Receipt }) {
  const head = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (page.submitted) head.current?.focus();
  }, [receipt.session]);
  const accepted = receipt.review.state === "accepted";
  const { of, sealed } = page.sending.totals;
  const late = of.here - sealed + of.looking + of.queued + of.sending + of.refused + of.failed + of.absent;
  return (
    <section class="card receipt" aria-labelledby="receipt">
      <h2 id="receipt" ref={head} tabIndex={-1}>
        {accepted ? "The studio has accepted your files" : "Submitted. Thank you!"}
      </h2>
      <p>
        {count(receipt.file_count, "file")}, {size(Number(receipt.total_bytes))}, on{" "}
        {new Date(receipt.sealed_at).toLocaleString("en", { dateStyle: "long", timeStyle: "short" })}.{" "}
        {accepted
          ? "Nothing is left to do."
          : "The studio looks at them now. If something has to be mended, you find it here, under the same link."}
      </p>
      <p>{compared(receipt)}</p>
      {receipt.left_out && (
        <p>
          <strong>Left out by you:</strong> {receipt.left_out}
        </p>
      )}
      {page.accepted && late > 0 && (
        <p class="notice bad">
          <strong>{count(late, "file")} came too late:</strong> what you added since then was not submitted. Ask the studio
          for a new link, and add it there.
        </p>
      )}
      {accepted && receipt.review.reasons.map((reason) => <p key={reason}>{sentence(reason)}</p>)}
      {receipt.findings.length > 0 && !accepted && (
        <details>
          <summary>What the checks say: {count(receipt.findings.length, "remark")}</summary>
          <ul>
            {receipt.findings.map((finding) => (
              <li key={finding.rule + finding.message}>{sentence(finding.message)}</li>
            ))}
          </ul>
        </details>
      )}
      <p>
        <a class="button primary" href={page.link.receipt(receipt.session)} target="_blank" rel="noopener">
          Open the receipt to print or keep
        </a>
      </p>
      <details>
        <summary>The files and their hashes</summary>
        <p class="hint">
          The hash is what <code>b3sum</code> prints: it proves that what arrived is what you have.
        </p>
        <ul class="rows hashes">
          {receipt.files.slice(0, 500).map((file) => (
            <li key={file.path}>
              <p class="name">
                <span class="file">{file.path}</span>
                <span class="size">{size(Number(file.length))}</span>
              </p>
              {file.checked && <span class="hint">checked </span>}
              <code>{file.hash}</code>
            </li>
          ))}
        </ul>
        {receipt.files.length > 500 && <p class="hint">The rest is on the receipt.</p>}
      </details>
      <p class="hint">
        Session <code class="id">{receipt.session}</code>
      </p>
    </section>
  );
}

/** How what arrived compares with what lies on the sender's disk, in a sentence. */
function compared({ files }: Receipt): string {
  const checked = files.filter((file) => file.checked).length;
  if (checked === files.length) {
    return "Every file was compared with the one on your computer after it had arrived: they are the same.";
  }
  if (checked === 0) return "The files were not compared with those on your computer after they had arrived.";
  const rest = files.length - checked;
  return `${count(checked, "file was", "files were")} compared with the one on your computer after arriving and ${checked === 1 ? "is" : "are"} the same; ${count(rest, "file was", "files were")} not compared.`;
}

export function Returned({ page, receipt }: { page: Page; receipt: Receipt }) {
  const head = useRef<HTMLHeadingElement>(null);
  // At once after submitting, as the checks answer then; when the page is opened it is read anyway.
  useLayoutEffect(() => {
    if (page.submitted) head.current?.focus();
  }, [receipt.session]);
  return (
    <section class="notice bad" aria-labelledby="returned">
      <h2 id="returned" ref={head} tabIndex={-1}>The studio needs something mended</h2>
      <ul>
        {receipt.review.reasons.map((reason) => (
          <li key={reason}>{sentence(reason)}</li>
        ))}
      </ul>
      <p>
        Add the mended files below, with the same names in the same folders, or leave out there what does not belong; then
        submit again. The others need not be sent again.
      </p>
    </section>
  );
}
