"""The release server is part of flatprov.testing; its tests are in test_image_server.py."""

from flatprov.testing.release_server import ReleaseServer
from flatprov.testing.serving import Served

__all__ = ["ReleaseServer", "Served"]
