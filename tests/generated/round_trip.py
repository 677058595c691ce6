"""What an application does with the package that openapi-python-client makes of the document."""

import os

from taskapi_client import AuthenticatedClient
from taskapi_client.api.changes import list_changes
from taskapi_client.api.tasks import (
    batch_tasks,
    complete_task,
    create_task,
    delete_task,
    get_task,
    list_tasks,
    patch_task,
    update_task,
)
from taskapi_client.models import (
    Batch,
    BatchComplete,
    BatchCreate,
    BatchDelete,
    BatchResults,
    BatchUpdate,
    ChangeList,
    Completion,
    ErrorBody,
    ErrorCode,
    ListTasksSort,
    Task,
    TaskConflict,
    TaskCreate,
    TaskList,
    TaskPatch,
    TaskUpdate,
)

client = AuthenticatedClient(os.environ["TASKAPI_URL"], os.environ["TASKAPI_TOKEN"])
user_id = int(os.environ["TASKAPI_USER"])

# Only the title is required.
made = create_task.sync_detailed(
    user_id, client=client, body=TaskCreate(title="Buy milk"), idempotency_key="buy-milk"
)
task, stale = made.parsed, made.headers["ETag"]
assert isinstance(task, Task)
print("create", made.status_code, task.title, task.is_completed, task.user_id == user_id)

page = list_tasks.sync(
    user_id,
    client=client,
    is_completed=False,
    q="milk",
    sort=ListTasksSort.UPDATED_AT_DESCENDING,
    created_since=task.created_at,
    limit=10,
)
assert isinstance(page, TaskList)
print("list", page.total, [each.title for each in page.tasks], page.next_cursor)

read = get_task.sync(user_id, task.id, client=client)
assert isinstance(read, Task)
print("get", read == task)

both = TaskUpdate(title="Buy oat milk", description="Two litres")
put = update_task.sync(user_id, task.id, client=client, body=both)
assert isinstance(put, Task)
print("update", put.title, put.description)

cleared = patch_task.sync(user_id, task.id, client=client, body=TaskPatch(description=None))
assert isinstance(cleared, Task)
print("patch", repr(cleared.description))

done = complete_task.sync(user_id, task.id, client=client, body=Completion(is_completed=True))
toggled = complete_task.sync(user_id, task.id, client=client)
assert isinstance(done, Task)
assert isinstance(toggled, Task)
print("complete", done.is_completed, toggled.is_completed)

batch = Batch(
    atomic=False,
    operations=[
        BatchCreate(op="create", key="tea", title="Buy tea"),
        BatchUpdate(op="update", key="tea", description="Green"),
        BatchComplete(op="complete", id=task.id, is_completed=True),
        BatchDelete(op="delete", id=task.id, version=stale),
        BatchDelete(op="delete", key="tea"),
    ],
)
results = batch_tasks.sync(user_id, client=client, body=batch)
assert isinstance(results, BatchResults)
for result in results.results:
    if result.code:
        print("batch", result.code, result.current and result.current.title)
    else:
        print("batch", result.status.value, result.task and result.task.title)

conflict = update_task.sync(user_id, task.id, client=client, body=both, if_match=stale)
assert isinstance(conflict, TaskConflict)
print("conflict", conflict.code is ErrorCode.VERSION_MISMATCH, conflict.current.title)

refused = create_task.sync(user_id, client=client, body=TaskCreate(title=""))
assert isinstance(refused, ErrorBody)
assert isinstance(refused.detail, list)
print("refusal", refused.code.value, [rule.loc[-1] for rule in refused.detail])

feed = list_changes.sync(user_id, client=client)
assert isinstance(feed, ChangeList)
print("changes", [change.task.title if change.task else change.key for change in feed.changes])

gone = delete_task.sync_detailed(user_id, task.id, client=client)
missing = get_task.sync(user_id, task.id, client=client)
assert isinstance(missing, ErrorBody)
print("delete", gone.status_code, missing.code.value)
