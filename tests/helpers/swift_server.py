"""OpenStack Swift in one process: a production object store that speaks S3.

``python -m tests.helpers.swift_server FOLDER PORT`` serves one replica from FOLDER, says
``listening PORT`` and lives until it is killed; ``running_swift`` does that for a test. Access
key ``test:tester``, secret ``testing``, bucket ``aeon``. It runs on eventlet, far from Trio.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ACCESS_KEY, SECRET_KEY, BUCKET = "test:tester", "testing", "aeon"
PARTS = ("account", "container", "object")
PIPELINE = "catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo dlo proxy-server"
FILTERS = {
    "catch_errors": "",
    "gatekeeper": "",
    # Nobody answers there: it only has to be configured.
    "memcache": "memcache_servers = 127.0.0.1:1",
    "listing_formats": "",
    "bulk": "",
    "s3api": "",
    "tempauth": "user_test_tester = testing .admin",
    "slo": "",
    "dlo": "",
}


@contextmanager
def running_swift(folder: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the server; gives its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", __name__, str(folder), str(port)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening "), line
        yield f"http://127.0.0.1:{line.split()[1]}", process
    finally:
        process.kill()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def _write_settings(folder: Path) -> dict[str, Path]:
    (folder / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\n"
        "[storage-policy:0]\nname = only\ndefault = yes\n"
    )
    common = (
        f"[DEFAULT]\nswift_dir = {folder}\ndevices = {folder}/devices\nmount_check = false\n"
        "fallocate_reserve = 0\ndisable_fallocate = true\nlog_level = CRITICAL\n"
    )
    paths = {name: folder / f"{name}-server.conf" for name in (*PARTS, "proxy")}
    for name in PARTS:
        paths[name].write_text(
            f"{common}[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\n"
            f"use = egg:swift#{name}\nrecon_cache_path = {folder}\n"
        )
    filters = "".join(
        f"[filter:{'cache' if name == 'memcache' else name}]\nuse = egg:swift#{name}\n{more}\n"
        for name, more in FILTERS.items()
    )
    paths["proxy"].write_text(
        f"{common}[pipeline:main]\npipeline = {PIPELINE}\n[app:proxy-server]\n"
        f"use = egg:swift#proxy\naccount_autocreate = true\nallow_account_management = true\n"
        f"{filters}"
    )
    return paths


def _write_rings(folder: Path, ports: dict[str, int]) -> None:
    from swift.common.ring import RingBuilder

    for name in PARTS:
        builder = RingBuilder(4, 1, 1)
        here = {"ip": "127.0.0.1", "port": ports[name]}
        builder.add_dev(
            {
                "id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "disk", "meta": "",
                **here,
                "replication_ip": here["ip"], "replication_port": here["port"],
            }
        )  # fmt: skip
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def _ask(app: Any, method: str, path: str) -> None:
    from swift.common.swob import Request

    request = Request.blank(
        path,
        environ={
            "REQUEST_METHOD": method,
            "swift.authorize_override": True,
            "swift.authorize": lambda _: None,
        },
    )
    assert request.get_response(app).status_int < 300


def main(folder: Path, port: int) -> None:
    """Serve for ever."""
    import eventlet

    eventlet.monkey_patch()
    from eventlet import wsgi
    from swift.common import utils
    from swift.common.wsgi import loadapp

    paths = _write_settings(folder)
    utils.set_swift_dir(str(folder))
    sockets = {
        name: eventlet.listen(("127.0.0.1", port if name == "proxy" else 0)) for name in paths
    }
    _write_rings(folder, {name: sockets[name].getsockname()[1] for name in PARTS})
    apps = {name: loadapp(str(path)) for name, path in paths.items()}
    serving = [
        eventlet.spawn(wsgi.server, sockets[name], apps[name], log_output=False) for name in paths
    ]
    eventlet.sleep(0)
    _ask(apps["proxy"], "POST", "/v1/AUTH_test")
    _ask(apps["proxy"], "PUT", f"/v1/AUTH_test/{BUCKET}")
    sys.stdout.write(f"listening {sockets['proxy'].getsockname()[1]}\n")
    sys.stdout.flush()
    for one in serving:
        one.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
