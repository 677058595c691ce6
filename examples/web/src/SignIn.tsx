import { type FormEvent, useId, useState } from "react";
import { authClient, problemOf } from "./clients.ts";
import { Mark } from "./icons.tsx";

/** Sign-up and sign-in. `reason`: why nobody is signed in any more. */
export function SignIn({ reason }: { reason: string }) {
  const [chosen, setChosen] = useState<boolean>();
  const isNew = chosen ?? reason === "";
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [name, email, password] = ["name", "email", "password"].map((it) => `${form.get(it)}`);
    const account = { email: email ?? "", password: password ?? "" };
    setIsBusy(true);
    const call = isNew
      ? authClient.signUp.email({ ...account, name: name ?? "" })
      : authClient.signIn.email(account);
    setProblem((await problemOf(call)) ?? "");
    setIsBusy(false);
  }

  return (
    <main className="welcome">
      <Mark />
      <h1>{isNew ? "A calm place for what is next." : "Welcome back."}</h1>
      {reason && <p role="status">{reason}</p>}
      <form onSubmit={submit}>
        {isNew && <Field label="Name" name="name" autoComplete="name" />}
        <Field label="E-mail" name="email" type="email" autoComplete="email" />
        <Field
          label="Password"
          name="password"
          type="password"
          minLength={8}
          hint={isNew ? "At least 8 characters" : ""}
          autoComplete={isNew ? "new-password" : "current-password"}
        />
        <p className="problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="primary" disabled={isBusy}>
          {isNew ? "Create account" : "Sign in"}
        </button>
      </form>
      <p>
        {isNew ? "You have an account?" : "You are new here?"}{" "}
        <button type="button" className="link" onClick={() => setChosen(!isNew)}>
          {isNew ? "Sign in" : "Create one"}
        </button>
      </p>
    </main>
  );
}

type FieldProps = React.ComponentProps<"input"> & { label: string; hint?: string };

function Field({ label, hint = "", ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} required aria-describedby={hint ? `${id}-hint` : undefined} {...input} />
      {hint && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}
