/** Which tasks a list shows, and in which order. The service decides the same for its pages. */

import type { Task } from "@taskapi/client";
import type { Shown } from "@taskapi/client/queue";

export type Filter = "all" | "open" | "done";

export interface View {
  readonly q: string;
  readonly filter: Filter;
}

const COMPLETED = { all: null, open: false, done: true };

/** The query of the service's list for this view. */
export function queryOf({ q, filter }: View) {
  return { q, is_completed: COMPLETED[filter] };
}

/** Whether a task that has changed is still, or now, one of the view. */
export function isIn({ q, filter }: View, task: Task): boolean {
  const wanted = COMPLETED[filter];
  const text = folded(`${task.title}\n${task.description}`);
  return (wanted === null || task.is_completed === wanted) && text.includes(folded(q.trim()));
}

/** As the service folds: `ß` is `SS`, which lower case alone does not know. */
const folded = (text: string) =>
  text.normalize("NFD").toLowerCase().toUpperCase().normalize("NFC");

/** Newest first, as the service lists. Of two times in UTC, the later one is the greater text. */
export function byAge(one: Task, other: Task): number {
  const [a, b] = [instant(one.created_at), instant(other.created_at)];
  return a === b ? other.id - one.id : a < b ? 1 : -1;
}

/** Whether `one` is a later version of a task than `other`. */
export const isLater = (one: Task, other: Task) =>
  instant(one.updated_at) > instant(other.updated_at);

/** Without its `Z`, a time with fewer digits of a second is the smaller text too. */
const instant = (time: string) => time.slice(0, -1);

const ROWS = new Map<number, string>();

/** A name for a task's row that stays when the task gets its id, or its key becomes known. */
export function rowOf({ id, key }: Shown): string {
  const row = ROWS.get(id) ?? key ?? String(id);
  if (id > 0) ROWS.set(id, row);
  return row;
}

/** A day's tasks under its name, newest day first. */
export function byDay(tasks: readonly Shown[]): [string, Shown[]][] {
  const days = new Map<string, Shown[]>();
  for (const task of tasks) {
    const name = dayOf(new Date(task.created_at));
    days.set(name, [...(days.get(name) ?? []), task]);
  }
  return [...days];
}

const DAY = 24 * 60 * 60 * 1000;
const LONG = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });

export const longDay = (date: Date) => LONG.format(date);

function dayOf(date: Date): string {
  const day = date.toDateString();
  if (day === new Date().toDateString()) return "Today";
  if (day === new Date(Date.now() - DAY).toDateString()) return "Yesterday";
  return longDay(date);
}
