/** The keyboard of the list. Keys that a person types into a field stay the field's. */

import { useEffect, useEffectEvent } from "react";

export interface Keys {
  readonly [key: string]: (row: HTMLElement | null) => void;
}

/** Calls what is named for a key, with the row that has the focus. */
export function useKeys(keys: Keys) {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const isTyping = target.matches("input:not([type=checkbox], [type=radio]), textarea");
    if (isTyping && event.key === "Escape") target.blur();
    const isBusy = isTyping || document.querySelector("dialog[open], [popover]:popover-open");
    if (isBusy || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const run = keys[event.key];
    if (run === undefined || (target.matches("[type=radio]") && event.key.startsWith("Arrow")))
      return;
    event.preventDefault();
    run(target.closest<HTMLElement>("[data-row]"));
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}

/** Takes the focus out of a row that goes: to another one, or else to the heading. */
export function leaveRow(row: HTMLElement | null) {
  if (!row?.contains(document.activeElement)) return;
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.indexOf(row);
  const next = (rows[at + 1] ?? rows[at - 1])?.querySelector<HTMLElement>(".title-button");
  (next ?? document.querySelector("h1"))?.focus();
}

/** Moves the focus to the row before or behind one; without one, to the first. */
export function focusRow(row: HTMLElement | null, step: 1 | -1) {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const next = rows[row ? rows.indexOf(row) + step : 0];
  next?.querySelector<HTMLElement>(".title-button")?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
