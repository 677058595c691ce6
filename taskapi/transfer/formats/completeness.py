"""Whether a file that this service exported is whole."""

from taskapi.transfer.formats.records import FileRefused


class Completeness:
    """Counts the tasks of a file, and compares with what its end says.

    An export ends with the number of its tasks. A file that others wrote need not, so its tasks
    say whether they were exported: by what only an export has.
    """

    def __init__(self) -> None:
        self._tasks = 0
        self._is_export = False
        self._ended = False

    def count(self, line: int, *, exported: bool = False) -> None:
        """A task begins at this line.

        Raises:
            FileRefused: the end was before.
        """
        if self._ended:
            raise FileRefused(line, "something follows the end of the export")
        self._tasks += 1
        self._is_export = self._is_export or exported

    def end(self, line: int, tasks: object) -> None:
        """The end of an export, which has so many tasks.

        Raises:
            FileRefused: it is the second one, says no number, or the file has more or fewer tasks.
        """
        if type(tasks) is not int:
            raise FileRefused(line, "the end of the export does not say how many tasks it has")
        if self._ended:
            raise FileRefused(line, "something follows the end of the export")
        if tasks != self._tasks:
            raise FileRefused(
                line, f"the export had {tasks} tasks, and this file has {self._tasks}"
            )
        self._ended = True

    def check(self, line: int) -> None:
        """The file has ended, with this line.

        Raises:
            FileRefused: nothing was in it, or an export without its end.
        """
        self.check_end(line)
        if not self._tasks and not self._ended:
            raise FileRefused(max(line, 1), "the file has no tasks")

    def check_end(self, line: int) -> None:
        """Likewise, where a file without tasks may be a whole one.

        Raises:
            FileRefused: it is an export without its end.
        """
        if self._is_export and not self._ended:
            raise FileRefused(line, "the export is cut off: its end is missing")
