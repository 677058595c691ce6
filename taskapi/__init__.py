"""taskapi: the backend that keeps each user's tasks safe, behind a JWT."""

import os

__version__ = "0.1.0"

# Where prometheus_client looks, when it is imported, for the directory of several processes'
# metrics. Some platforms set it for every program, to nothing or to a directory that is not there,
# and then that import would fail, whatever the command.
for _name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
    if not os.access(os.environ.get(_name, "/"), os.R_OK | os.W_OK | os.X_OK):
        os.environ.pop(_name, None)
