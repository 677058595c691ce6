import { useState } from "react";
import { authClient, problemOf } from "./clients.ts";
import { SignIn } from "./SignIn.tsx";
import { TasksPage } from "./TasksPage.tsx";

/** Whoever is signed in sees their tasks, and anybody else a form. */
export function App() {
  const { data, isPending, refetch } = authClient.useSession();
  const [asked, setAsked] = useState(false);
  const [reason, setReason] = useState("");
  if (!isPending && !asked) setAsked(true);
  if (!asked) return null;
  if (data === null) return <SignIn reason={reason} />;

  /** Ends the session; gives what has gone wrong, if something has. */
  async function leave(why: string) {
    const problem = await problemOf(authClient.signOut());
    if (problem === null) setReason(why);
    return problem;
  }

  /** The session has ended, or in another tab somebody else has signed in, who stays so. */
  function look() {
    setReason("You were signed out.");
    void refetch();
  }

  return <TasksPage key={data.user.id} user={data.user} leave={leave} look={look} />;
}
