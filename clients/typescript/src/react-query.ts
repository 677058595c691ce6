/** TanStack Query (React Query 5): lists that grow, edits that show at once, and what others do. */

import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";
import type { SubscribeOptions, Subscription } from "./subscribe.js";
import type { Tasks } from "./tasks.js";
import type { Change, Changes, ListQuery, NewTask, Task, TaskPage } from "./types.js";

type Pages = InfiniteData<TaskPage, string | null>;
type Lists = [QueryKey, Pages | undefined][];

/** The beginning of the keys of all lists. */
export const listsKey = ["taskapi", "tasks"] as const;

/** What `useInfiniteQuery` takes: the tasks that a query matches, a page at a time. */
export function tasksQuery(tasks: Tasks, query: ListQuery = {}) {
  return {
    queryKey: [...listsKey, query] as const,
    queryFn: ({ pageParam, signal }: { pageParam: string | null; signal: AbortSignal }) =>
      tasks.list(query, { signal }).page(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page: TaskPage) => page.next_cursor,
  };
}

/** Changes each task of all lists; null takes it out. */
function patch(client: QueryClient, change: (task: Task) => Task | null): void {
  const patched = (page: TaskPage): TaskPage => ({
    ...page,
    tasks: page.tasks.flatMap((task) => change(task) ?? []),
  });
  client.setQueriesData<Pages>(
    { queryKey: listsKey },
    (pages) => pages && { ...pages, pages: pages.pages.map(patched) },
  );
}

/** Options of a mutation that shows what it will do, and takes that back if it fails. */
function optimistic<Variables extends { readonly task?: Task }, Data>(
  client: QueryClient,
  mutationFn: (variables: Variables) => Promise<Data>,
  change: (task: Task, variables: Variables) => Task | null,
) {
  return {
    mutationFn,
    async onMutate(variables: Variables): Promise<Lists> {
      await client.cancelQueries({ queryKey: listsKey });
      const before = client.getQueriesData<Pages>({ queryKey: listsKey });
      patch(client, (task) => (task.id === variables.task?.id ? change(task, variables) : task));
      return before;
    },
    onError(_error: unknown, _variables: Variables, before: Lists | undefined) {
      for (const [key, pages] of before ?? []) client.setQueryData(key, pages);
    },
    onSettled: () => client.invalidateQueries({ queryKey: listsKey }),
  };
}

/** What `useMutation` takes to create, update and remove tasks. */
export function taskMutations(tasks: Tasks, client: QueryClient) {
  return {
    create: optimistic(
      client,
      ({ fields }: { readonly fields: NewTask; readonly task?: Task }) => tasks.create(fields),
      (task) => task,
    ),
    update: optimistic(
      client,
      ({ task, changes }: { readonly task: Task; readonly changes: Changes }) =>
        tasks.update(task, changes),
      (task, { changes }) => ({ ...task, ...(changes as Partial<Task>) }),
    ),
    remove: optimistic(
      client,
      ({ task }: { readonly task: Task }) => tasks.remove(task),
      () => null,
    ),
  };
}

/** Keeps all lists in step with what is done elsewhere, until it is closed. */
export function keepInStep(
  tasks: Tasks,
  client: QueryClient,
  options: Pick<SubscribeOptions, "onError" | "onStatus" | "signal"> = {},
): Subscription {
  const read = () => client.invalidateQueries({ queryKey: listsKey });
  return tasks.subscribe({
    ...options,
    since: "now",
    onResync: read,
    async onChanges(changes: readonly Change[]) {
      const news = new Map(changes.map((each) => [each.id, each.task]));
      // At once, and then what lists alone know: where a task belongs, and how many there are.
      // The same version may have an edit over it that is being sent, which stays.
      patch(client, (task) => {
        const now = news.get(task.id);
        return now === undefined || (now && now.updated_at <= task.updated_at) ? task : now;
      });
      await read();
    },
  });
}
