"""No tests here; and without the extra `servers` these modules cannot be imported."""

collect_ignore_glob = ["*.py"]
