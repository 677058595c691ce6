import { useState } from "react";
import { authClient, tasks } from "./clients.ts";
import { SignIn } from "./SignIn.tsx";
import { TasksPage } from "./TasksPage.tsx";

/** Whoever is signed in sees their tasks, and anybody else a form. */
export function App() {
  const { data, isPending } = authClient.useSession();
  const [asked, setAsked] = useState(false);
  const [reason, setReason] = useState("");
  if (!isPending && !asked) setAsked(true);
  if (!asked) return null;
  if (data === null) return <SignIn reason={reason} />;

  async function leave(why: string) {
    setReason(why);
    tasks.forget();
    await authClient.signOut();
  }

  return <TasksPage key={data.user.id} user={data.user} leave={leave} />;
}
