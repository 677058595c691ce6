/** What the page shows, as the store gives it. */

import type { Conflict, Status } from "@taskapi/client";
import type { Shown } from "@taskapi/client/queue";
import type { View } from "./view.ts";

/** A sentence at the foot of the page, with something to do about it. */
export interface Notice {
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export interface State {
  readonly view: View;
  readonly tasks: readonly Shown[];
  /** How many tasks the service has found; null while it is asked. */
  readonly found: number | null;
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  readonly failure: string | null;
  readonly status: Status;
  readonly pending: number;
  readonly notice: Notice | null;
  readonly conflict: Conflict | null;
}

export const EMPTY: State = {
  view: { q: "", filter: "all" },
  tasks: [],
  found: null,
  hasMore: false,
  isLoading: false,
  failure: null,
  status: "connecting",
  pending: 0,
  notice: null,
  conflict: null,
};
