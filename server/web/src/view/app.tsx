// The page from top to bottom: files, form, submit; or the receipt.

import type { Page } from "../page";
import { sentence } from "../pure/words";
import { Finish } from "./finish";
import { FormSection } from "./form";
import { Attention, Everything } from "./lists";
import { PickBox } from "./pick-box";
import { Progress } from "./progress";
import { Done, Returned } from "./receipt";

export function App({ page }: { page: Page }) {
  const { state, sending, session } = page;
  const some = sending.items.size > 0;
  const returned = session?.review.state === "returned";
  return (
    <>
      <header class="top">
        <p class="order">
          Order {state.order}
          {state.client ? ` · ${state.client}` : ""}
        </p>
        <h1>{state.title ? `Your files for “${state.title}”` : "Your files for the studio"}</h1>
      </header>
      {sending.closed !== undefined && !page.finished && (
        <p class="notice bad" role="alert">
          {sentence(sending.closed)}
        </p>
      )}
      {page.finished && session && <Done page={page} receipt={session} />}
      {returned && session && <Returned page={page} receipt={session} />}
      {sending.closed === undefined && !page.finished && (
        <section aria-labelledby="files">
          <h2 id="files">
            <span class="step">1</span> Files
          </h2>
          <PickBox sending={sending} compact={some} />
          {some && <Progress page={page} />}
          {some && <Attention page={page} />}
          {some && <Everything page={page} />}
        </section>
      )}
      {sending.closed === undefined && !page.finished && (
        <>
          {state.form.fields.length > 0 && <FormSection page={page} />}
          <Finish page={page} />
        </>
      )}
      {page.finished && sending.closed === undefined && (
        <details class="more">
          <summary>Something to add or to mend?</summary>
          <p>
            Choose it here, then submit again. A file with the same name and folder replaces the one that was sent
            before.
          </p>
          <PickBox sending={sending} compact />
        </details>
      )}
      {!page.accepted && <Otherwise link={page.link.address} />}
    </>
  );
}

function Otherwise({ link }: { link: string }) {
  const address = new URL(link, location.href).href;
  return (
    <details class="more quiet">
      <summary>Upload with a program instead</summary>
      <p>
        The program <code>stemvault</code> goes on where it stopped, too:
      </p>
      <p>
        <code>stemvault push FOLDER --to {address} --submit</code>
      </p>
      <p>Any other program that speaks tus 1.0 takes the address of this page as its endpoint.</p>
      <p>Whoever knows the address can upload here: pass it on with care.</p>
    </details>
  );
}
