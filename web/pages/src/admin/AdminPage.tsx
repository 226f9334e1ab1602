import { useState } from "react";
import type { ReactNode } from "react";
import { Dashboard } from "./Dashboard";
import { SignIn } from "./SignIn";
import type { AdminState } from "./types";
import { usePolled } from "./usePolled";

export function AdminPage(): ReactNode {
  const polled = usePolled<AdminState>("/api/admin/state", 1000);
  const [isSignedOut, setIsSignedOut] = useState(false);
  if (polled.refused !== null || isSignedOut) {
    return <SignIn onSignedIn={() => {
      setIsSignedOut(false);
      polled.again();
    }} />;
  }
  return <Dashboard polled={polled} onSignedOut={() => setIsSignedOut(true)} />;
}
