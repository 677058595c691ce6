"""Files of other programs, in the forms in which they write them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# Todoist: https://todoist.com/help/articles/import-or-export-a-project-as-a-csv-file-in-todoist-YC8YvN

TODOIST = """\
\ufeffTYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE
section,Weekend,,,,,,,,
task,Buy milk @shop,Two litres,4,1,Alice (14781400),,every Saturday,en,Europe/Berlin
note,The one in glass,,,,Alice (14781400),,,,
,,,,,,,,,
task,Call Mum,,4,1,Alice (14781400),,,,
"""

# Google Takeout

_OF_GOOGLE = {
    "kind": "tasks#task",
    "updated": "2026-01-31T09:30:00.000000Z",
    "task_type": "PERSONAL_TASK",
}
GOOGLE = json.dumps(
    {
        "kind": "tasks#taskLists",
        "items": [
            {
                "kind": "tasks#tasks",
                "id": "MDk4NzY1NDMyMQ",
                "title": "My Tasks",
                "updated": "2026-01-31T09:30:00.000000Z",
                "items": [
                    {
                        **_OF_GOOGLE,
                        "id": "a1",
                        "title": "Buy milk",
                        "notes": "Two litres",
                        "created": "2026-01-30T08:00:00.000000Z",
                        "due": "2026-12-24T00:00:00Z",
                        "status": "needsAction",
                    },
                    {
                        **_OF_GOOGLE,
                        "id": "a2",
                        "title": "Call Mum",
                        "status": "completed",
                        "created": "2026-01-29T08:00:00.000000Z",
                        "completed": "2026-01-31T09:30:00Z",
                        "hidden": True,
                    },
                    {
                        **_OF_GOOGLE,
                        "id": "a3",
                        "title": "Old",
                        "deleted": True,
                        "status": "needsAction",
                    },
                ],
            },
            {
                "kind": "tasks#tasks",
                "id": "MTIzNDU2Nzg5MA",
                "title": "Garden",
                "items": [
                    {
                        **_OF_GOOGLE,
                        "id": "b1",
                        "title": "Water the plants",
                        "status": "needsAction",
                        "created": "2026-01-28T08:00:00.000000Z",
                    }
                ],
            },
        ],
    },
    indent=2,
)

# iCalendar, as Nextcloud writes a list

CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
CALSCALE:GREGORIAN
PRODID:-//SabreDAV//SabreDAV//EN
X-WR-CALNAME:Tasks
BEGIN:VTODO
UID:1f3c0f4e-8f0b-4a0e-9a54-0a8d3f6f1a11
CREATED:20260130T080000Z
LAST-MODIFIED:20260131T093000Z
DTSTAMP:20260131T093000Z
SUMMARY:Buy milk\\, two litres
DESCRIPTION:The one in glass\\nand the deposit ret
 urned
DUE;VALUE=DATE:20261224
END:VTODO
BEGIN:VTODO
UID:5b1c7a52-41c6-4a19-8f3b-4c6a9e5b0c22
CREATED:20260129T080000Z
DTSTAMP:20260131T093000Z
SUMMARY:Call Mum
STATUS:COMPLETED
PERCENT-COMPLETE:100
COMPLETED:20260131T093000Z
END:VTODO
BEGIN:VTODO
UID:9d2f6c10-1111-4222-8333-944445555666
DTSTAMP:20260131T093000Z
SUMMARY:Not any more
STATUS:CANCELLED
END:VTODO
BEGIN:VEVENT
UID:7a1e5b3d-aaaa-4bbb-8ccc-9dddeeeeffff
DTSTAMP:20260131T093000Z
DTSTART:20260201T100000Z
SUMMARY:Breakfast
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")

# By the rules of https://github.com/todotxt/todo.txt

TODO_TXT = "(A) 2026-01-30 Buy milk +Shop @town\nCall Mum due:2026-12-24\n"
DONE_TXT = "x 2026-01-31 2026-01-29 Water the plants +Garden\n"

# Microsoft Graph: https://learn.microsoft.com/graph/api/todotasklist-list-tasks

GRAPH_TOKEN = "a token of Graph Explorer"

_OF_MICROSOFT: dict[str, Any] = {
    "importance": "normal",
    "isReminderOn": False,
    "status": "notStarted",
    "createdDateTime": "2026-01-30T08:00:00.9359889Z",
    "lastModifiedDateTime": "2026-01-31T09:30:00.0614375Z",
    "categories": [],
    "body": {"content": "", "contentType": "text"},
    "checklistItems": [],
}
MICROSOFT: dict[str, list[dict[str, Any]]] = {
    "AQMkAD-tasks": [
        {
            **_OF_MICROSOFT,
            "id": "AQMkAD-1",
            "title": "Buy milk",
            "body": {"content": "<p>Bread &amp; butter, too</p>\r\n", "contentType": "html"},
            "checklistItems": [
                {"id": "c1", "displayName": "Find the bag", "isChecked": True},
                {"id": "c2", "displayName": "Go", "isChecked": False},
            ],
            "dueDateTime": {"dateTime": "2026-12-24T00:00:00.0000000", "timeZone": "UTC"},
        },
        {**_OF_MICROSOFT, "id": "AQMkAD-2", "title": "Call Mum", "status": "completed"},
    ],
    "AQMkAD-garden": [{**_OF_MICROSOFT, "id": "AQMkAD-3", "title": "Water the plants"}],
}


class _Graph(BaseHTTPRequestHandler):
    """Lists, and tasks of a list, a page for each."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        everything = self._everything(asked.path)
        if self.headers["Authorization"] != f"Bearer {GRAPH_TOKEN}" or everything is None:
            self.send_error(401 if everything else 404)
            return
        skipped = int(parse_qs(asked.query).get("$skip", ["0"])[0])
        page: dict[str, object] = {"value": everything[skipped : skipped + 1]}
        if skipped + 1 < len(everything):
            next_page = f"http://{self.headers['Host']}{asked.path}?$skip={skipped + 1}"
            page["@odata.nextLink"] = next_page
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(page).encode())

    def _everything(self, path: str) -> list[dict[str, Any]] | None:
        if path == "/me/todo/lists":
            return [{"id": name, "displayName": name} for name in MICROSOFT]
        name = path.removeprefix("/me/todo/lists/").removesuffix("/tasks")
        return MICROSOFT.get(name)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def graph() -> Iterator[str]:
    """What answers as Microsoft Graph does about these tasks; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Graph) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
