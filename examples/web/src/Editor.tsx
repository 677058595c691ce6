import type { Fields } from "@taskapi/client";
import type { Shown } from "@taskapi/client/queue";
import { type FormEvent, type KeyboardEvent, useState } from "react";

interface EditorProps {
  readonly base: Shown;
  readonly save: (base: Shown, fields: Partial<Fields>) => Promise<void>;
  readonly leave: () => void;
}

/** Texts as fields show them: a line of text has no line ends, and several have one kind. */
const inLine = (text: string) => text.replace(/[\r\n]/g, "").trim();
const inLines = (text: string) => text.replace(/\r\n?/g, "\n");

/** Edits what the task was when the edit began, whatever comes in meanwhile. */
export function Editor({ base: given, save, leave }: EditorProps) {
  const [base] = useState(given);
  const isStale = given.updated_at !== base.updated_at;

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [title, description] = [inLine(`${form.get("title")}`), `${form.get("description")}`];
    const fields = {
      ...(title === inLine(base.title) ? {} : { title }),
      ...(description === inLines(base.description) ? {} : { description }),
    };
    if (Object.keys(fields).length > 0) void save(base, fields);
    leave();
  }

  function onKeyDown(event: KeyboardEvent<HTMLFormElement>) {
    if (event.key === "Escape") leave();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey))
      event.currentTarget.requestSubmit();
  }

  return (
    <form
      className="editor"
      aria-label={`Edit: ${base.title}`}
      onSubmit={submit}
      onKeyDown={onKeyDown}
    >
      <input
        name="title"
        aria-label="Title"
        defaultValue={base.title}
        required
        maxLength={500}
        autoFocus
      />
      <textarea
        name="description"
        aria-label="Description"
        placeholder="Notes"
        defaultValue={base.description}
        maxLength={5000}
        rows={3}
      />
      <p role="status">
        {isStale && "This task has just changed on another device. Save to compare."}
      </p>
      <div className="buttons">
        <button type="submit" className="primary">
          Save
        </button>
        <button type="button" className="quiet" onClick={leave}>
          Cancel
        </button>
      </div>
    </form>
  );
}
