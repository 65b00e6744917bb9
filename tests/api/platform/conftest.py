"""One server for a module's tests: each has scripts of its own."""

from collections.abc import Iterator

import pytest

from tests.api.platform.rig import Scene, scene_at


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server with an empty ledger."""
    root = tmp_path_factory.mktemp("platform") / "ledger"
    zones = "acme.example=z1,other.example=z2"
    with scene_at(root, platform_zones=zones, platform_subdomain="acme", entry_timeout_s=10.0) as found:
        yield found
