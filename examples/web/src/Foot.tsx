import { useEffect, useRef } from "react";
import type { Notice, State } from "./state.ts";
import { type TaskStore, UNDO } from "./store.ts";

interface FootProps {
  readonly store: TaskStore;
  readonly state: State;
}

/** The end of the list, which fetches more when it comes into view, and what is told there. */
export function Foot({ store, state }: FootProps) {
  const { found, failure, hasMore, isLoading, notice, tasks, view } = state;
  const isEmpty = found !== null && !hasMore && tasks.length === 0;
  return (
    <>
      {isEmpty && <p className="empty">{emptyText(view)}</p>}
      {isLoading && (hasMore || found === null) && <p className="more">Loading…</p>}
      {failure ? (
        <p className="failure" role="alert">
          {failure}{" "}
          <button type="button" className="link" onClick={() => void store.load()}>
            Try again
          </button>
        </p>
      ) : (
        hasMore && !isLoading && <Sentinel reached={() => void store.more()} />
      )}
      <p className="unseen" role="status">
        {view.q && found !== null && `${found} found for ${view.q}`}
      </p>
      <div className="toast" role="status">
        {notice && <Toast key={notice.text} notice={notice} store={store} />}
      </div>
      <footer>
        <kbd>n</kbd> new <kbd>/</kbd> search <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>Enter</kbd> edit{" "}
        <kbd>x</kbd> done <kbd>Del</kbd> delete <kbd>u</kbd> undo
      </footer>
    </>
  );
}

function emptyText({ q, filter }: State["view"]): string {
  if (q) return `Nothing found for “${q}”.`;
  return {
    all: "Nothing here yet. Enjoy it, or press n.",
    open: "All done.",
    done: "Nothing done yet.",
  }[filter];
}

/** Calls `reached` when the end of the list is less than a screen away. */
function Sentinel({ reached }: { reached: () => void }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && reached(), {
      rootMargin: "100%",
    });
    if (end.current) observer.observe(end.current);
    return () => observer.disconnect();
  }, []);
  return <div ref={end} className="more" />;
}

/** A notice with what can be done about it. It goes by itself, but not while it has the focus. */
function Toast({ notice, store }: { notice: Notice; store: TaskStore }) {
  const toast = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!toast.current?.matches(":hover, :focus-within")) store.dismiss(notice);
    }, UNDO);
    return () => clearInterval(timer);
  }, [notice, store]);
  return (
    <p ref={toast}>
      {notice.text}
      {notice.action && (
        <button type="button" className="link" onClick={() => store.act()}>
          {notice.action.label}
        </button>
      )}
    </p>
  );
}
