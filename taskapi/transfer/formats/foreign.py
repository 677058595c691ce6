"""What files of other programs have for a task, as the values of one."""

from taskapi.tasks.schemas import BLANK


def values_of(
    title: str, description: str, *, due: str = "", deadline: str = ""
) -> dict[str, object] | None:
    """Title and description, or None if there is no text.

    Some programs allow tasks without a title, whose first line of text becomes it. A task has no
    due date here: it becomes the last line of the description, because it would be lost otherwise.

    Args:
        title: may be blank.
        description: may be empty.
        due: when it is to be done, as a person reads it; empty if the program says nothing.
        deadline: until when it must be done, likewise.
    """
    if BLANK.fullmatch(title):
        title, _, description = description.strip().partition("\n")
    if BLANK.fullmatch(title):
        return None
    lines = [description] if description else []
    lines += [f"{name}: {text}" for name, text in [("Due", due), ("Deadline", deadline)] if text]
    return {"title": title, "description": "\n".join(lines)}
