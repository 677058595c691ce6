"""What queries say is kept: few, and short ones."""

from taskapi.edge.query import MAX_KEPT, MAX_KEPT_BYTES, QueryReader


def test_the_latest_queries_are_kept() -> None:
    reader = QueryReader({"number"})
    queries = [reader.read(b"number=%d" % number) for number in range(MAX_KEPT)]
    assert [query.values["number"] for query in queries] == [str(it) for it in range(MAX_KEPT)]
    assert reader.read(b"number=0") is queries[0]
    reader.read(b"number=one more")
    assert reader.read(b"number=0") is queries[0]
    assert reader.read(b"number=1") is not queries[1]


def test_a_long_query_is_not_kept() -> None:
    reader = QueryReader({"name"})
    for spare, is_kept in ((0, True), (1, False)):
        query = b"name=".ljust(MAX_KEPT_BYTES + spare, b"x")
        assert (reader.read(query) is reader.read(query)) == is_kept


def test_routes_share_nothing() -> None:
    assert QueryReader({"a"}).read(b"a=1") is not QueryReader({"a"}).read(b"a=1")
