"""Settings of PostgreSQL that force one kind of plan or another."""

SCANS = ("seqscan", "indexscan", "indexonlyscan", "bitmapscan")


def only(scan: str) -> dict[str, str]:
    """Settings with which tables are read in this way wherever that is possible."""
    return {f"enable_{it}": "off" for it in SCANS if it != scan}


PLANS: dict[str, dict[str, str]] = {
    **{f"{scan} only": only(scan) for scan in SCANS},
    "generic": {"plan_cache_mode": "force_generic_plan"},
    "generic seqscan": {"plan_cache_mode": "force_generic_plan", **only("seqscan")},
    "custom": {"plan_cache_mode": "force_custom_plan"},
    "no joins by hash": {"enable_hashjoin": "off", "enable_material": "off"},
    "parallel": {
        "debug_parallel_query": "on",
        "parallel_setup_cost": "0",
        "parallel_tuple_cost": "0",
        "min_parallel_table_scan_size": "0",
    },
}
