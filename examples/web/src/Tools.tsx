import { useEffect, useState } from "react";
import { Lens, Plus } from "./icons.tsx";
import type { State } from "./state.ts";
import type { TaskStore } from "./store.ts";
import type { Filter } from "./view.ts";

interface ComposerProps {
  readonly add: (title: string) => void;
  readonly ref: React.Ref<HTMLInputElement>;
}

/** Where tasks are added. */
export function Composer({ add, ref }: ComposerProps) {
  function submit(event: React.FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const title = `${new FormData(form).get("task")}`.trim();
    if (title) add(title);
    form.reset();
  }
  return (
    <form className="composer" onSubmit={submit}>
      <Plus />
      <input
        ref={ref}
        name="task"
        aria-label="New task"
        placeholder="What is next?"
        maxLength={500}
        autoComplete="off"
      />
      <button type="submit" className="quiet">
        Add
      </button>
    </form>
  );
}

const FILTERS: Record<Filter, string> = { all: "All", open: "Open", done: "Done" };

/** Milliseconds without a key after which a search begins. */
const PAUSE = 200;

interface FinderProps {
  readonly store: TaskStore;
  readonly state: State;
  readonly ref: React.Ref<HTMLInputElement>;
}

/** Filter and search. */
export function Finder({ store, state: { view }, ref }: FinderProps) {
  const [typed, setTyped] = useState("");
  useEffect(() => {
    if (typed === view.q) return;
    const timer = setTimeout(() => store.show({ ...view, q: typed }), PAUSE);
    return () => clearTimeout(timer);
  }, [typed, view, store]);
  return (
    <search className="finder">
      <fieldset>
        <legend className="unseen">Show</legend>
        {(Object.keys(FILTERS) as Filter[]).map((filter) => (
          <label key={filter}>
            <input
              type="radio"
              name="filter"
              checked={view.filter === filter}
              onChange={() => store.show({ ...view, filter })}
            />
            <span>{FILTERS[filter]}</span>
          </label>
        ))}
      </fieldset>
      <div className="lens">
        <Lens />
        <input
          ref={ref}
          type="search"
          aria-label="Search"
          placeholder="Search"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && setTyped("")}
        />
      </div>
    </search>
  );
}
