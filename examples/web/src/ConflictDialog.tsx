import type { Conflict, Fields } from "@taskapi/client";
import { type FormEvent, useEffect, useRef } from "react";

const NAMES = { title: "Title", description: "Notes", is_completed: "Done" } as const;

const textOf = (value: string | boolean) =>
  typeof value === "string" ? value || "–" : value ? "Yes" : "No";

interface DialogProps {
  readonly conflict: Conflict;
  readonly resolve: (values: Fields | null) => void;
}

/** Two edits of one field: the user takes theirs or mine, field by field. The rest is merged. */
export function ConflictDialog({ conflict, resolve }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { base, mine, theirs, merged, fields } = conflict;
  const changed = (Object.keys(NAMES) as (keyof Fields)[]).filter(
    (name) => mine[name] !== base[name] || theirs[name] !== base[name],
  );

  useEffect(() => dialog.current?.showModal(), []);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const isTheirs = (name: keyof Fields) => form.get(name) === "theirs";
    const taken = fields.filter(isTheirs).map((name) => [name, theirs[name]]);
    resolve({ ...merged, ...Object.fromEntries(taken) });
  }

  return (
    <dialog ref={dialog} aria-labelledby="conflict" onCancel={() => resolve(null)}>
      <form onSubmit={submit}>
        <h2 id="conflict">“{base.title}” was edited elsewhere too</h2>
        <p>Choose where both edits differ. Nothing is overwritten before you save.</p>
        {changed.map((name) =>
          fields.includes(name) ? (
            <fieldset key={name}>
              <legend>{NAMES[name]}</legend>
              <Choice name={name} side="theirs" label="Theirs" text={textOf(theirs[name])} />
              <Choice name={name} side="mine" label="Yours" text={textOf(mine[name])} isChosen />
            </fieldset>
          ) : (
            <p key={name} className="merged">
              <b>{NAMES[name]}</b> {textOf(merged[name])}
              <small>{mine[name] === base[name] ? "from their edit" : "from yours"}</small>
            </p>
          ),
        )}
        <div className="buttons">
          <button type="submit" className="primary">
            Save
          </button>
          <button type="button" className="quiet" onClick={() => resolve(null)}>
            Leave it as theirs
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly side: "theirs" | "mine";
  readonly label: string;
  readonly text: string;
  readonly isChosen?: boolean;
}

function Choice({ name, side, label, text, isChosen = false }: ChoiceProps) {
  return (
    <label className="choice">
      <input type="radio" name={name} value={side} defaultChecked={isChosen} />
      <span>
        <small>{label}</small>
        {text}
      </span>
    </label>
  );
}
