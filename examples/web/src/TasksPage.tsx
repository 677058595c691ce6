import { TasksError } from "@taskapi/client";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Account } from "./Account.tsx";
import { ConflictDialog } from "./ConflictDialog.tsx";
import { tasks } from "./clients.ts";
import { Foot } from "./Foot.tsx";
import { Mark } from "./icons.tsx";
import type { State } from "./state.ts";
import { TaskStore } from "./store.ts";
import { TaskRow } from "./TaskRow.tsx";
import { Composer, Finder } from "./Tools.tsx";
import { focusRow, useKeys } from "./useKeys.ts";
import { byDay, longDay, rowOf } from "./view.ts";

export interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

interface PageProps {
  readonly user: User;
  readonly leave: (why: string) => Promise<string | null>;
}

/** `look`: at who is signed in, because it is not this user any more. */
type TasksPageProps = PageProps & { readonly look: () => void };

/** Everything of a user who is signed in; the store lives as long as it is shown. */
export function TasksPage({ user, leave, look }: TasksPageProps) {
  const [store, setStore] = useState<TaskStore>();
  useEffect(() => {
    const made = new TaskStore(tasks, user.id, (error) => {
      const isGone = error instanceof TasksError && error.code === "user_not_found";
      if (isGone) void leave("This account was deleted.");
      else look();
    });
    setStore(made);
    return () => {
      made.close();
      tasks.forget(); // or the next user's calls would be sent with this one's token
    };
  }, [user.id]);
  return store && <Content store={store} user={user} leave={leave} />;
}

function Content({ store, user, leave }: PageProps & { store: TaskStore }) {
  const state = useSyncExternalStore(store.subscribe, store.state);
  const composer = useRef<HTMLInputElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const [edited, setEdited] = useState<string>();
  const shown = (row: HTMLElement | null) =>
    state.tasks.find((task) => rowOf(task) === row?.dataset.row);

  function remove(row: HTMLElement | null) {
    const task = shown(row);
    if (task) void store.remove(task);
  }

  function toggle(row: HTMLElement | null) {
    const task = shown(row);
    if (task) void store.toggle(task);
  }

  useKeys({
    n: () => composer.current?.focus(),
    "/": () => search.current?.focus(),
    u: () => store.act(),
    x: toggle,
    Delete: remove,
    ArrowDown: (row) => focusRow(row, 1),
    ArrowUp: (row) => focusRow(row, -1),
  });

  return (
    <>
      <header className="top">
        <p className="brand">
          <Mark />
          <span>Tasks</span>
        </p>
        {state.status !== "offline" && (
          <p className={`step ${state.status === "open" ? "open" : ""}`}>
            {state.status === "open" ? "In step" : "Connecting…"}
          </p>
        )}
        <Account user={user} pending={state.pending} leave={leave} />
      </header>
      <Connection state={state} />
      <main>
        <h1 tabIndex={-1}>{longDay(new Date())}</h1>
        <Composer add={(title) => void store.add(title)} ref={composer} />
        <Finder store={store} state={state} ref={search} />
        {byDay(state.tasks).map(([day, ofDay]) => (
          <section key={day}>
            <h2>{day}</h2>
            <ul>
              {ofDay.map((task) => {
                const row = rowOf(task);
                const edit = (isEdited: boolean) => setEdited(isEdited ? row : undefined);
                return (
                  <TaskRow key={row} {...{ row, task, store, edit }} isEdited={edited === row} />
                );
              })}
            </ul>
          </section>
        ))}
        <Foot store={store} state={state} />
      </main>
      {state.conflict && (
        <ConflictDialog
          key={state.conflict.theirs.updated_at}
          conflict={state.conflict}
          resolve={(values) => store.resolve(values)}
        />
      )}
    </>
  );
}

/** Says when the service is out of reach, and what waits for it. */
function Connection({ state: { status, pending } }: { state: State }) {
  const waiting = pending === 1 ? "1 change waits" : `${pending} changes wait`;
  return (
    <div role="status">
      {status === "offline" && (
        <p className="banner">
          You are offline.{" "}
          {pending > 0 ? `${waiting} here and will be sent.` : "Go on: it is kept here."}
          <button type="button" className="link" onClick={tryNow}>
            Try now
          </button>
        </p>
      )}
    </div>
  );
}

/** What the browser says when it has a network again; whoever waits for that begins at once. */
const tryNow = () => dispatchEvent(new Event("online"));
