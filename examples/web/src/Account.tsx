import { useState } from "react";
import { authClient, problemOf } from "./clients.ts";
import type { User } from "./TasksPage.tsx";

interface AccountProps {
  readonly user: User;
  readonly pending: number;
  readonly leave: (why: string) => Promise<string | null>;
}

/** Who is signed in, and the ways out. */
export function Account({ user, pending, leave }: AccountProps) {
  const [isSure, setIsSure] = useState(false);
  const [problem, setProblem] = useState("");

  async function signOut() {
    const kept = pending > 0 ? " What was not sent waits here until you sign in again." : "";
    setProblem((await leave(`You are signed out.${kept}`)) ?? "");
  }

  async function deleteAccount() {
    const problem = await problemOf(authClient.deleteUser());
    setProblem(problem ?? (await leave("Your account and its tasks are deleted.")) ?? "");
  }

  return (
    <>
      <button
        type="button"
        className="who"
        popoverTarget="account"
        aria-label={`Account of ${user.name}`}
      >
        {[...user.name][0]?.toUpperCase()}
      </button>
      <div id="account" popover="auto" onToggle={() => setIsSure(false)}>
        <p>
          <b>{user.name}</b>
          <br />
          {user.email}
        </p>
        <button type="button" className="quiet" onClick={() => void signOut()}>
          Sign out
        </button>
        {isSure ? (
          <button type="button" className="danger" onClick={() => void deleteAccount()}>
            Delete all of it for good
          </button>
        ) : (
          <button type="button" className="quiet" onClick={() => setIsSure(true)}>
            Delete account
          </button>
        )}
        <p className="problem" role="alert">
          {problem}
        </p>
      </div>
    </>
  );
}
