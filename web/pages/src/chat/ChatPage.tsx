import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Bar } from "./Bar";
import { FirstRun, NoKey } from "./FirstRun";
import { Sidebar, Ways } from "./Sidebar";
import { TalkView } from "./TalkView";
import { ChatProvider, openDesk, useChatOf } from "./useChat";
import { usePlace } from "./usePlace";
import type { Place } from "./usePlace";

export function ChatPage(): ReactNode {
  const [desk] = useState(openDesk);
  const chat = useChatOf(desk);
  const { state, board, talks } = chat;
  const place = usePlace();
  const talk = talks.find(({ id }) => id === place.talk) ?? null;
  const unread = talks.reduce((sum, { unread: number }) => sum + number, 0);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Chat · Holdfast` : "Chat · Holdfast";
  }, [unread]);

  if (chat.isLocked) return <NoKey />;
  if (board !== null && board.me.length === 0) return <ChatProvider value={chat}><FirstRun /></ChatProvider>;
  return (
    <ChatProvider value={chat}>
      <div className="chat" data-at={talk === null ? "list" : "talk"} data-testid="chat">
        <Bar />
        {state.status === "replaced" && (
          <div className="elsewhere" role="alert">
            <p>This chat is open in another tab. Only one of them is live.</p>
            <button type="button" className="button button--main" data-testid="use-here" onClick={() => desk.session.takeBack()}>
              Use it here
            </button>
          </div>
        )}
        <Sidebar place={place} />
        <main className="chat__main" data-testid="main">
          {talk === null
            ? <Nothing isEmpty={board !== null && talks.length === 0} place={place} />
            : <TalkView key={talk.id} talk={talk} place={place} />}
        </main>
      </div>
    </ChatProvider>
  );
}

function Nothing({ isEmpty, place }: { readonly isEmpty: boolean; readonly place: Place }): ReactNode {
  return (
    <div className="nothing">
      <h2>{isEmpty ? "Nobody is here yet" : "Whom do you want to talk to?"}</h2>
      <p className="quiet">
        {isEmpty
          ? "Two people meet by an invitation: a link that one gives to the other. It is good for one person, once."
          : "Choose a conversation, or start a new one."}
      </p>
      {isEmpty && <div className="row"><Ways place={place} /></div>}
    </div>
  );
}
