"""Processes of agents for tests: one that speaks the lines by hand, one on ``holdfast.apps.agents.child``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

BY_HAND = [sys.executable, "-I", "-S", __file__]
WITH_LIBRARY = [sys.executable, "-c", "from tests.support.agent_children import library; library()"]


def by_hand() -> None:
    """Does what it is told, without a library."""

    def say(**line: object) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    say(t="ready")
    waiting: dict[int, int] = {}
    for text in sys.stdin:
        line = json.loads(text)
        if line["t"] == "answer":
            say(t="reply", n=waiting.pop(line["c"]), body=[line.get("body"), line.get("error")])
            continue
        if line["t"] != "request":
            continue
        number, body = line["n"], line.get("body")
        match body:
            case {"do": "die"}:
                print("last words", file=sys.stderr, flush=True)
                os._exit(3)
            case {"do": "die once", "file": path}:
                try:
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL))
                    os._exit(4)
                except FileExistsError:
                    pass  # it has died before
                say(t="reply", n=number, body="done")
            case {"do": "fail", "error": error}:
                say(t="failed", n=number, error=error)
            case {"do": "say", "text": nonsense}:
                sys.stdout.write(nonsense + "\n")
                sys.stdout.flush()
            case {"do": "flood", "bytes": count}:
                sys.stdout.write("x" * count)
                sys.stdout.flush()
            case {"do": "log", "lines": lines}:
                for each in lines:
                    print(each, file=sys.stderr)
                sys.stderr.flush()
                say(t="reply", n=number)
            case {"do": "call", "to": address}:
                waiting[number] = number
                say(t="call", c=number, to=address, body="asked")
            case {"do": "fork", "file": path}:
                if os.fork() == 0:
                    Path(path).write_text(str(os.getpid()))
                    time.sleep(600)  # a grandchild that has to be ended by whoever ends its parent
                say(t="reply", n=number, body=os.getpid())
            case {"do": "hang"}:
                time.sleep(600)  # deaf, until the test sees it killed
            case {"do": "ignore"}:
                pass
            case _:
                say(t="reply", n=number, body={"said": body, "pid": os.getpid()})


def library() -> None:
    """Answers by ``holdfast.apps.agents.child``."""
    import asyncio

    from holdfast.apps.agents import AgentError
    from holdfast.apps.agents.child import ChildRequest, run
    from holdfast.apps.agents.errors import AgentCode

    async def answer(request: ChildRequest) -> object:
        print("this is for the log")
        if request.is_stream:
            total = 0
            async for piece in request:
                assert isinstance(piece, int)
                total += piece
                await request.send(piece * 10)
            return total
        match request.body:
            case "fail":
                raise AgentError(AgentCode.TOPIC_INVALID, "No such thing.", retry_after=2.0)
            case "break":
                raise KeyError("the password is swordfish")
            case "wait":
                await asyncio.Event().wait()
            case "publish":
                request.publish("children.news", {"n": 1})
            case {"call": address}:
                return await request.call(address, "from the process", id=f"{request.id}/1")
        return [request.id, request.sender, request.body]

    run(answer)


if __name__ == "__main__":
    by_hand()
