import type { Shown } from "@taskapi/client/queue";
import { useLayoutEffect, useRef } from "react";
import { Editor } from "./Editor.tsx";
import { Bin, Clock } from "./icons.tsx";
import type { TaskStore } from "./store.ts";
import { leaveRow } from "./useKeys.ts";

interface RowProps {
  readonly row: string;
  readonly task: Shown;
  readonly store: TaskStore;
  readonly isEdited: boolean;
  readonly edit: (isEdited: boolean) => void;
}

export function TaskRow({ row, task, store, isEdited, edit }: RowProps) {
  const item = useRef<HTMLLIElement>(null);

  function leave() {
    edit(false);
    // The title comes back with the next render.
    requestAnimationFrame(() => item.current?.querySelector<HTMLElement>(".title-button")?.focus());
  }

  useLayoutEffect(() => {
    const row = item.current;
    return () => leaveRow(row); // it still stands there
  }, []);

  return (
    <li ref={item} data-row={row} className={task.is_completed ? "done" : undefined}>
      <input
        type="checkbox"
        aria-label={`Done: ${task.title}`}
        checked={task.is_completed}
        onChange={() => void store.toggle(task)}
      />
      {isEdited ? (
        <Editor base={task} save={(base, fields) => store.edit(base, fields)} leave={leave} />
      ) : (
        <button type="button" className="title-button" onClick={() => edit(true)}>
          <span className="title">{task.title}</span>
          {task.description && <span className="description">{task.description}</span>}
        </button>
      )}
      {task.waiting && (
        <span className="waiting" title="Waits to be sent">
          <Clock />
          <span className="unseen">Waits to be sent</span>
        </span>
      )}
      {!isEdited && (
        <button
          type="button"
          className="remove"
          aria-label={`Delete: ${task.title}`}
          onClick={() => void store.remove(task)}
        >
          <Bin />
        </button>
      )}
    </li>
  );
}
