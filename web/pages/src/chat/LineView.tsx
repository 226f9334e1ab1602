import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { api } from "./api";
import { colourOf, momentOf, sizeOf, timeOf } from "./format";
import { Icon, StateMark } from "./icons";
import { bounds } from "./types";
import type { FileInfo, Line, Talk } from "./types";
import type { Upload } from "./uploads";
import { useChat } from "./useChat";

interface LineViewProps {
  readonly line: Line;
  readonly talk: Talk;
  /** Continues the one before: same person, shortly after. */
  readonly isJoined: boolean;
  readonly isWanted: boolean;
}

export function LineView({ line, talk, isJoined, isWanted }: LineViewProps): ReactNode {
  const { nameOf, say } = useChat();
  const isMine = line.from === "";
  const isLost = line.state === "failed" || line.state === "expired";
  const isEmoji = line.file === undefined && /^(\p{Extended_Pictographic}|\p{Emoji_Component}){1,8}$/u.test(line.text) && !/^\d+$/u.test(line.text);
  return (
    <li
      className={`line${isMine ? " line--mine" : ""}${isJoined ? " line--joined" : ""}${isWanted ? " line--wanted" : ""}`}
      data-testid="line" data-state={line.state} data-number={line.number} data-id={line.id}
    >
      <div className={`bubble${isEmoji ? " bubble--emoji" : ""}`}>
        {!isMine && talk.kind === "room" && !isJoined && (
          <strong className={`bubble__name ${colourOf(line.from)}`} dir="auto">{nameOf(line.from)}</strong>
        )}
        {line.file === null && <em>An attachment that can not be read.</em>}
        {line.file != null && <FileView talk={talk.id} file={line.file} isMine={isMine} />}
        {line.text !== "" && <p className="bubble__text" dir="auto">{line.text}</p>}
        <span className="bubble__foot">
          <time dateTime={new Date(line.received).toISOString()} title={momentOf(line.received)}>{timeOf(line.received)}</time>
          {isMine && <StateMark state={line.state} error={line.error} />}
        </span>
      </div>
      {isLost && (
        <p className="line__lost" role="alert">
          {line.state === "expired" ? "Not picked up in time." : `Not sent. ${line.error}`}
          {line.file === undefined && (
            <button type="button" className="link" onClick={() => say(talk.id, line.text)}>Send again</button>
          )}
        </p>
      )}
    </li>
  );
}

function FileView({ talk, file, isMine }: { readonly talk: string; readonly file: FileInfo; readonly isMine: boolean }): ReactNode {
  const [problem, setProblem] = useState("");
  const isThere = file.there === file.pieces;
  const isOpenable = isThere || isMine;
  const picture = usePicture(talk, file, isOpenable);
  const save = (): void => {
    setProblem("");
    api.file(talk, file.id).then((data) => saveAs(data, file.name), (error: unknown) => {
      setProblem(error instanceof Error ? error.message : "That did not work.");
    });
  };
  const share = file.pieces === 0 ? 0 : (file.there ?? 0) / file.pieces;
  return (
    <div className="file" data-testid="file" data-there={isThere}>
      {picture !== "" && <img className="file__picture" src={picture} alt={`Picture: ${file.name}`} />}
      <div className="file__row">
        <Icon name="file" />
        <span className="file__name">
          <span className="clip" dir="auto">{file.name}</span>
          <span className="quiet">
            {sizeOf(file.size)}
            {!isThere && ` · ${isMine ? "delivered" : "arrived"}: ${Math.floor(100 * share)} %`}
          </span>
        </span>
        {isOpenable && <button type="button" className="link" data-testid="save" onClick={save}>Save</button>}
      </div>
      {!isThere && <progress max={1} value={share} aria-label={`${file.name}, how much of it is there`} />}
      {problem !== "" && <p className="error" role="alert">{problem}</p>}
    </div>
  );
}

/** A picture as a data address: the only kind of foreign content that is shown, and only of kinds that run nothing. */
function usePicture(talk: string, file: FileInfo, isOpenable: boolean): string {
  const [address, setAddress] = useState("");
  const isWanted = isOpenable && file.size <= bounds.pictureBytes && /^image\/(png|jpeg|gif|webp)$/u.test(file.mime);
  useEffect(() => {
    if (!isWanted) return undefined;
    let isOver = false;
    api.file(talk, file.id).then((data) => {
      const reader = new FileReader();
      reader.onload = () => {
        if (!isOver && typeof reader.result === "string") setAddress(reader.result);
      };
      reader.readAsDataURL(data);
    }, () => undefined);
    return () => {
      isOver = true;
    };
  }, [talk, file.id, isWanted]);
  return address;
}

function saveAs(data: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name.replaceAll(/[\\/:*?"<>|]/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function UploadView({ upload }: { readonly upload: Upload }): ReactNode {
  const { cancelUpload } = useChat();
  const { file, done, pieces, error } = upload;
  return (
    <li className="line line--mine" data-testid="upload">
      <div className="bubble">
        <div className="file">
          <div className="file__row">
            <Icon name="file" />
            <span className="file__name">
              <span className="clip" dir="auto">{file.name}</span>
              <span className="quiet">{sizeOf(file.size)} · being read in</span>
            </span>
            <button type="button" className="link" onClick={() => cancelUpload(upload.id)}>{error === "" ? "Cancel" : "Remove"}</button>
          </div>
          {error === "" ? <progress max={pieces || 1} value={done} aria-label={file.name} /> : <p className="error" role="alert">{error}</p>}
        </div>
        <span className="bubble__foot"><StateMark state="uploading" /></span>
      </div>
    </li>
  );
}
